//! A connection as messages: read whole within limits of size and time, written through a buffer.
//!
//! It blocks, since it has a thread of its own. Invariant: nothing larger than the limit is kept, and a
//! message that was begun must go on; only between messages may a client be silent for as long as it
//! wants.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::tls::Tls;
use super::backend::Output;
use super::frontend::{Malformed, Message, Opening};

/// The most bytes of a message before somebody has proved who is there.
const STRANGER: usize = 10_000;
/// Bytes that are read at a time.
const CHUNK: usize = 16 << 10;
/// Bytes that are written at a time.
const FULL: usize = 64 << 10;

/// Why a connection cannot go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client has gone, or the network.
    Gone,
    /// The client is too slow.
    Slow,
    /// A message is larger than this.
    Large(usize),
    /// A message is none.
    Malformed(Malformed),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Broken::Slow,
            _ => Broken::Gone,
        }
    }
}

impl From<Malformed> for Broken {
    fn from(malformed: Malformed) -> Broken {
        Broken::Malformed(malformed)
    }
}

trait Duplex: Read + Write + Send {}
impl<S: Read + Write + Send> Duplex for S {}

/// One connection.
pub(super) struct Wire {
    stream: Box<dyn Duplex>,
    /// The same socket, for its time limits.
    socket: TcpStream,
    input: Vec<u8>,
    /// Bytes of the input that were taken.
    taken: usize,
    pub(super) out: Output,
    limit: usize,
    patience: Duration,
    /// Until when the client must have said who it is.
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    is_secure: bool,
}

impl Wire {
    /// A connection of somebody unknown, who has `patience` to say who is there.
    pub(super) fn new(socket: TcpStream, patience: Duration) -> io::Result<Wire> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(patience))?;
        Ok(Wire {
            stream: Box::new(socket.try_clone()?),
            socket,
            input: Vec::new(),
            taken: 0,
            out: Output::default(),
            limit: STRANGER,
            patience,
            deadline: Some(Instant::now() + patience),
            timeout: None,
            is_secure: false,
        })
    }

    /// Whether what is sent is encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Begins TLS. What was sent before it must have been taken: it was not protected.
    pub(super) fn secure(&mut self, tls: &Tls) -> Result<(), Broken> {
        if self.taken < self.input.len() {
            return Err(Broken::Malformed(Malformed("bytes before TLS has begun")));
        }
        self.stream = Box::new(tls.blocking(self.socket.try_clone()?)?);
        self.is_secure = true;
        Ok(())
    }

    /// From here on the client is known, and messages may have up to `limit` bytes.
    pub(super) fn welcome(&mut self, limit: usize) {
        self.limit = limit;
        self.deadline = None;
    }

    /// The next packet without a type.
    pub(super) fn opening(&mut self) -> Result<Opening, Broken> {
        let length = self.length(0)?;
        let body = self.take(0, length)?;
        Ok(Opening::read(&body)?)
    }

    /// The next message; what is to be sent is sent before it is waited for.
    pub(super) fn message(&mut self) -> Result<Message, Broken> {
        if self.unread().is_empty() {
            self.flush()?;
        }
        let length = self.length(1)?;
        let kind = self.unread()[0];
        let body = self.take(1, length)?;
        Ok(Message::read(kind, body)?)
    }

    fn unread(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// The length that stands after `before` bytes, itself not counted.
    fn length(&mut self, before: usize) -> Result<usize, Broken> {
        self.need(before + 4)?;
        let at = self.taken + before;
        let bytes: [u8; 4] =
            self.input[at..at + 4].try_into().map_err(|_| Malformed("no length"))?;
        let length = usize::try_from(i32::from_be_bytes(bytes)).ok();
        let length = length.and_then(|length| length.checked_sub(4));
        let length = length.ok_or(Malformed("a length below its own"))?;
        if length > self.limit {
            return Err(Broken::Large(self.limit));
        }
        Ok(length)
    }

    /// The body after `before` bytes and the length.
    fn take(&mut self, before: usize, length: usize) -> Result<Vec<u8>, Broken> {
        let head = before + 4;
        self.need(head + length)?;
        let body = self.unread()[head..head + length].to_vec();
        self.taken += head + length;
        if self.taken == self.input.len() {
            self.input.clear();
            self.taken = 0;
            // A large message does not stay in memory with an idle connection.
            self.input.shrink_to(4 * CHUNK);
        }
        Ok(body)
    }

    /// Reads until there are `count` bytes.
    fn need(&mut self, count: usize) -> Result<(), Broken> {
        let mut chunk = [0; CHUNK];
        while self.unread().len() < count {
            let timeout = match self.deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Broken::Slow);
                    }
                    Some(left)
                }
                None if self.unread().is_empty() => None,
                None => Some(self.patience),
            };
            if timeout != self.timeout {
                self.socket.set_read_timeout(timeout)?;
                self.timeout = timeout;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Broken::Gone),
                Ok(read) => {
                    if self.taken > 0 {
                        self.input.drain(..self.taken);
                        self.taken = 0;
                    }
                    self.input.extend_from_slice(&chunk[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends one byte by itself, as the answer to a request for encryption is.
    pub(super) fn answer(&mut self, byte: u8) -> Result<(), Broken> {
        self.stream.write_all(&[byte])?;
        Ok(self.stream.flush()?)
    }

    /// Sends what there is, if it is much.
    pub(super) fn flush_if_full(&mut self) -> Result<(), Broken> {
        if self.out.bytes.len() >= FULL { self.flush() } else { Ok(()) }
    }

    /// Sends what there is.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        if self.out.bytes.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.out.bytes)?;
        self.stream.flush()?;
        self.out.bytes.clear();
        self.out.bytes.shrink_to(4 * FULL);
        Ok(())
    }
}
