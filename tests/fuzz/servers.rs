//! A server that says what it is told to, whatever it is asked, and what it may be told.

use crate::dice::Dice;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANSWERS: &[&str] = &[
    ECHO,
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\ntrailer: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\ncontent-length: 2\r\n\r\nfffffffffffffffff\r\nok",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "HTTP/1.0 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy",
    "HTTP/9.9 999\r\n folded: é\r\n:\r\n\r\n",
    "",
];

/// The request comes behind it, so that what is secret in it comes back.
const ECHO: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// What one begins with who speaks TLS.
const HANDSHAKE: u8 = 0x16;

pub(crate) struct Server {
    pub(crate) port: u16,
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

/// What a server says, in pieces, and what it does then.
pub(crate) struct Answer {
    bytes: Vec<u8>,
    piece_bytes: usize,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Closes the connection, whether all has been read or not.
    Closes,
    /// Says that no more will come, and reads on.
    Falls,
    /// Reads on, and leaves the other side to wait.
    Waits,
}

impl Server {
    /// One that serves as long as the runtime does.
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self { port, answers: Mutex::default(), asked: Mutex::default() });
        tokio::spawn(Arc::clone(&server).serve(listener));
        server
    }

    /// Tells it what to say next; when that is said, it says nothing.
    pub(crate) fn will_say(&self, answers: impl Iterator<Item = Answer>) {
        *self.answers.lock().unwrap() = answers.collect();
    }

    /// What it has been asked since this was called last, as far as it was read.
    pub(crate) async fn asked(&self) -> Vec<String> {
        // Connections are served one after another: when the turn of this one has come, those before it are over.
        let mut turn = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        turn.shutdown().await.unwrap();
        turn.read_to_end(&mut Vec::new()).await.unwrap();
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = Vec::new();
            // The other side may go whenever it likes.
            let _ = self.converse(&mut stream, &mut asked).await;
            if !asked.is_empty() {
                self.asked.lock().unwrap().push(String::from_utf8_lossy(&asked).into_owned());
            }
        }
    }

    async fn converse(&self, stream: &mut TcpStream, asked: &mut Vec<u8>) -> io::Result<()> {
        while !is_asked(asked) && stream.read_buf(asked).await? > 0 {}
        if asked.is_empty() {
            return Ok(());
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let Some(Answer { mut bytes, piece_bytes, ending }) = answer else { return Ok(()) };
        if bytes == ECHO.as_bytes() {
            bytes.extend_from_slice(asked);
        }
        stream.set_nodelay(true)?;
        for piece in bytes.chunks(piece_bytes) {
            stream.write_all(piece).await?;
        }
        if ending == Ending::Falls {
            stream.shutdown().await?;
        }
        if ending != Ending::Closes {
            stream.read_to_end(asked).await?;
        }
        Ok(())
    }
}

impl Answer {
    /// Any; where it leads elsewhere, to this URL. Its body is now and then larger than `body_bytes_max`.
    pub(crate) fn any(dice: &mut Dice, url: &str, body_bytes_max: usize) -> Self {
        let sound = match dice.within(0..8) {
            0 => dice.bytes(0..300),
            1 => {
                let (said, is) = (dice.number(), dice.within(0..3 * body_bytes_max));
                format!("HTTP/1.1 200 OK\r\ncontent-length: {said}\r\n\r\n{}", "x".repeat(is)).into_bytes()
            }
            2 | 3 => {
                let status = dice.pick(&[300, 301, 302, 303, 307, 308, 399]);
                format!("HTTP/1.1 {status} Found\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n").into_bytes()
            }
            4 => dice.garbled(ANSWERS).into_bytes(),
            _ => dice.pick(ANSWERS).as_bytes().to_vec(),
        };
        let bytes = if dice.once_in(4) { dice.damaged(&sound) } else { sound };
        let piece_bytes = 1 + bytes.len() / dice.within(1..9);
        let ending = *dice.pick(&[Ending::Closes, Ending::Falls, Ending::Falls, Ending::Falls, Ending::Waits]);
        Self { bytes, piece_bytes, ending }
    }
}

/// Whether a request's head is there, or the first of TLS.
fn is_asked(bytes: &[u8]) -> bool {
    bytes.first() == Some(&HANDSHAKE) || bytes.windows(4).any(|end| end == b"\r\n\r\n")
}
