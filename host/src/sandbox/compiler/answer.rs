//! What a compiler's process says on its stdout: a byte that names the kind, and what belongs to it.

const CODE: u8 = 0;
const INVALID: u8 = 1;
const OUT_OF_MEMORY: u8 = 2;

/// How a compilation ended that ended by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The code.
    Code(Vec<u8>),
    /// The component is damaged, or uses what is switched off; why.
    Invalid(String),
    /// The compiler could not get more memory, and noticed.
    OutOfMemory,
}

impl Answer {
    pub(super) fn write(&self, mut out: impl std::io::Write) -> std::io::Result<()> {
        let (kind, rest): (u8, &[u8]) = match self {
            Self::Code(code) => (CODE, code),
            Self::Invalid(reason) => (INVALID, reason.as_bytes()),
            Self::OutOfMemory => (OUT_OF_MEMORY, &[]),
        };
        out.write_all(&[kind])?;
        out.write_all(rest)?;
        out.flush()
    }

    /// Nothing where the process has said nothing, or nothing that is known.
    pub(super) fn read(mut bytes: Vec<u8>) -> Option<Self> {
        let kind = *bytes.first()?;
        match kind {
            CODE => Some(Self::Code(bytes.split_off(1))),
            INVALID => Some(Self::Invalid(String::from_utf8_lossy(&bytes[1..]).into_owned())),
            OUT_OF_MEMORY => Some(Self::OutOfMemory),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for answer in [Answer::Code(vec![0, 1, 2]), Answer::Invalid("why".to_owned()), Answer::OutOfMemory] {
            let mut bytes = Vec::new();
            answer.write(&mut bytes).unwrap();
            assert_eq!(Answer::read(bytes), Some(answer));
        }
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert_eq!(Answer::read(Vec::new()), None);
        assert_eq!(Answer::read(b"\x7fELF".to_vec()), None);
    }
}
