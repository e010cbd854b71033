//! The way from one host to the database, which a test can cut.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Carries bytes between those who connect to its port and a server. Cut, it carries nothing, and says nothing of that: a
/// connection stays open and hangs, a new one is neither refused nor answered.
pub struct Cable {
    port: u16,
    wire: Arc<Wire>,
}

struct Wire {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    is_gone: bool,
    ends: Vec<TcpStream>,
}

impl Cable {
    /// A cable to a server on this machine.
    pub fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let server = SocketAddr::from(([127, 0, 0, 1], server_port));
        let wire = Arc::new(Wire { server, state: Mutex::default(), changed: Condvar::new() });
        let carrier = Arc::clone(&wire);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if !carrier.is_whole() {
                    return;
                }
                join(&carrier, &client);
            }
        });
        Self { port, wire }
    }

    /// Where it is plugged in, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it, silently.
    pub fn cut(&self) {
        self.wire.state().is_cut = true;
    }

    /// Mends it: what was on the way arrives, as on a network that lost packets for a while.
    pub fn mend(&self) {
        self.wire.state().is_cut = false;
        self.wire.changed.notify_all();
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let mut state = self.wire.state();
        state.is_gone = true;
        for end in state.ends.drain(..) {
            // It may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
        drop(state);
        self.wire.changed.notify_all();
        // Wakes the listener, which finds that the cable is gone.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the cable is not cut; false where it is gone.
    fn is_whole(&self) -> bool {
        let state = self.changed.wait_while(self.state(), |state| state.is_cut && !state.is_gone);
        !state.unwrap_or_else(PoisonError::into_inner).is_gone
    }
}

/// Joins a client to the server; a server that does not run refuses, and so does the cable.
fn join(wire: &Arc<Wire>, client: &TcpStream) {
    let Ok(server) = TcpStream::connect(wire.server) else { return };
    for (from, to) in [(client, &server), (&server, client)] {
        let (Ok(mut from), Ok(mut to), Ok(end)) = (from.try_clone(), to.try_clone(), from.try_clone()) else { return };
        // Or small messages wait for each other.
        let _ = to.set_nodelay(true);
        wire.state().ends.push(end);
        let wire = Arc::clone(wire);
        thread::spawn(move || {
            let mut bytes = [0; 16 << 10];
            loop {
                let count = from.read(&mut bytes).unwrap_or(0);
                // An end of the connection does not come through a cut cable either.
                if !wire.is_whole() || count == 0 || to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            // Either may be closed already.
            let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
        });
    }
}
