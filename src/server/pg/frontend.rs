//! What clients send: messages of protocol 3.0, read out of bytes.
//!
//! Nothing here knows a socket or a session. Invariant: no bytes make it panic or reserve more memory
//! than they take themselves; a message that is not exactly what its type says is [`Malformed`].

/// A message whose bytes are not what its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// The code of a request for TLS.
const SSL_REQUEST: i32 = 80_877_103;
/// The code of a request for encryption by GSSAPI.
const GSS_REQUEST: i32 = 80_877_104;
/// The code of a request to cancel.
const CANCEL_REQUEST: i32 = 80_877_102;

/// The first packet of a connection, which has no type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// May TLS begin?
    Ssl,
    /// May encryption by GSSAPI begin?
    Gss,
    /// Cancel what another connection does.
    Cancel { pid: i32, secret: i32 },
    /// A session is wanted: the minor version of the protocol, and the parameters as they came.
    Startup { minor: u16, params: Vec<(String, String)> },
    /// A protocol that is not 3.x.
    Unknown { major: u16, minor: u16 },
}

impl Opening {
    /// Reads the packet without its length.
    pub(super) fn read(bytes: &[u8]) -> Result<Opening, Malformed> {
        let mut body = Body(bytes);
        let code = body.int32()?;
        match code {
            SSL_REQUEST => body.end().map(|()| Opening::Ssl),
            GSS_REQUEST => body.end().map(|()| Opening::Gss),
            CANCEL_REQUEST => {
                let (pid, secret) = (body.int32()?, body.int32()?);
                body.end()?;
                Ok(Opening::Cancel { pid, secret })
            }
            version => {
                let [a, b, c, d] = version.to_be_bytes();
                let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                if major != 3 {
                    return Ok(Opening::Unknown { major, minor });
                }
                let mut params = Vec::new();
                loop {
                    let name = body.text()?;
                    if name.is_empty() {
                        break;
                    }
                    params.push((name.to_owned(), body.text()?.to_owned()));
                }
                body.end()?;
                Ok(Opening::Startup { minor, params })
            }
        }
    }
}

/// What a statement or a portal is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A prepared statement.
    Statement,
    /// A statement with its parameters.
    Portal,
}

/// A message after the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// `Q`: run a script.
    Query(String),
    /// `P`: prepare a statement.
    Parse { name: String, sql: String, types: Vec<u32> },
    /// `B`: give a statement its parameters.
    Bind {
        portal: String,
        statement: String,
        /// The formats of the parameters: none, one for all, or one each.
        formats: Vec<i16>,
        values: Vec<Option<Vec<u8>>>,
        /// The formats of the columns, likewise.
        results: Vec<i16>,
    },
    /// `D`: describe.
    Describe { target: Target, name: String },
    /// `E`: run a portal; 0 rows: all.
    Execute { portal: String, rows: usize },
    /// `C`: forget.
    Close { target: Target, name: String },
    /// `H`: send what there is.
    Flush,
    /// `S`: the end of a group of messages.
    Sync,
    /// `d`: bytes of a COPY.
    CopyData(Vec<u8>),
    /// `c`: a COPY has ended.
    CopyDone,
    /// `f`: a COPY has failed at the client.
    CopyFail(String),
    /// `p`: an answer to a question for proof.
    Proof(Vec<u8>),
    /// `X`: good-bye.
    Terminate,
    /// `F`: a function call, which is not taken.
    FunctionCall,
}

impl Message {
    /// Reads a message of this type, without type and length.
    pub(super) fn read(kind: u8, bytes: Vec<u8>) -> Result<Message, Malformed> {
        let mut body = Body(&bytes);
        let message = match kind {
            b'd' => return Ok(Message::CopyData(bytes)),
            b'p' => return Ok(Message::Proof(bytes)),
            b'Q' => Message::Query(body.text()?.to_owned()),
            b'P' => {
                let (name, sql) = (body.text()?.to_owned(), body.text()?.to_owned());
                let count = body.count(4)?;
                let types = (0..count).map(|_| body.int32().map(i32::cast_unsigned));
                Message::Parse { name, sql, types: types.collect::<Result<_, _>>()? }
            }
            b'B' => {
                let (portal, statement) = (body.text()?.to_owned(), body.text()?.to_owned());
                let formats = body.formats()?;
                let count = body.count(4)?;
                let values = (0..count).map(|_| body.value()).collect::<Result<_, _>>()?;
                Message::Bind { portal, statement, formats, values, results: body.formats()? }
            }
            b'D' => Message::Describe { target: body.target()?, name: body.text()?.to_owned() },
            b'C' => Message::Close { target: body.target()?, name: body.text()?.to_owned() },
            b'E' => {
                let portal = body.text()?.to_owned();
                // A negative number means all, as zero does.
                let rows = usize::try_from(body.int32()?).unwrap_or(0);
                Message::Execute { portal, rows }
            }
            b'H' => Message::Flush,
            b'S' => Message::Sync,
            b'c' => Message::CopyDone,
            b'f' => Message::CopyFail(body.text()?.to_owned()),
            b'X' => Message::Terminate,
            b'F' => return Ok(Message::FunctionCall),
            _ => return Err(Malformed("unknown type of message")),
        };
        body.end()?;
        Ok(message)
    }
}

/// What is left of a message.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(Malformed("the message is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Malformed("the message is too short"))
    }

    fn int16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// A number of things that take at least `least` bytes each.
    fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = usize::from(self.array().map(u16::from_be_bytes)?);
        if count * least > self.0.len() {
            return Err(Malformed("the message is too short for what it counts"));
        }
        Ok(count)
    }

    /// A text up to a zero byte.
    fn text(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.ok_or(Malformed("a text has no end"))?)?;
        self.take(1)?;
        std::str::from_utf8(text).map_err(|_| Malformed("a text is not UTF-8"))
    }

    fn formats(&mut self) -> Result<Vec<i16>, Malformed> {
        let count = self.count(2)?;
        (0..count).map(|_| self.int16()).collect()
    }

    fn value(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        match self.int32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length);
                let length = length.map_err(|_| Malformed("a value has a negative length"))?;
                self.take(length).map(|bytes| Some(bytes.to_vec()))
            }
        }
    }

    fn target(&mut self) -> Result<Target, Malformed> {
        match self.take(1)? {
            b"S" => Ok(Target::Statement),
            b"P" => Ok(Target::Portal),
            _ => Err(Malformed("neither a statement nor a portal")),
        }
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("the message is too long")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Malformed, Message, Opening, Target};

    #[test]
    fn messages_are_read_whole() {
        let parse = Message::read(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17".to_vec());
        let expected =
            Message::Parse { name: "s".to_owned(), sql: "SELECT $1".to_owned(), types: vec![23] };
        assert_eq!(parse, Ok(expected));
        let bind = b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0".to_vec();
        let Ok(Message::Bind { values, formats, .. }) = Message::read(b'B', bind) else {
            panic!("not a Bind")
        };
        assert_eq!((values, formats), (vec![Some(b"x".to_vec()), None], vec![1]));
        let describe = Message::read(b'D', b"Pname\0".to_vec());
        let name = "name".to_owned();
        assert_eq!(describe, Ok(Message::Describe { target: Target::Portal, name }));
    }

    #[test]
    fn a_count_beyond_the_message_reserves_nothing() {
        let bind = b"\0\0\0\0\xff\xff".to_vec();
        assert!(Message::read(b'B', bind).is_err());
        assert_eq!(Message::read(b'S', b"x".to_vec()), Err(Malformed("the message is too long")));
    }

    #[test]
    fn a_startup_has_its_parameters() {
        let packet = b"\0\x03\0\0user\0ann\0database\0shop\0\0";
        let Ok(Opening::Startup { minor: 0, params }) = Opening::read(packet) else {
            panic!("not a startup")
        };
        assert_eq!(params[1], ("database".to_owned(), "shop".to_owned()));
        assert_eq!(Opening::read(&[4, 210, 22, 47]), Ok(Opening::Ssl));
        assert_eq!(Opening::read(b"\0\x02\0\0"), Ok(Opening::Unknown { major: 2, minor: 0 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind: u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Opening::read(&bytes);
            let _ = Message::read(kind, bytes);
        }
    }
}
