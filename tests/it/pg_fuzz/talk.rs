//! A client that says whatever it is told to, and reads what comes back message by message.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::server::message;

/// A server that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Talk {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Whether the session is open: before, an N alone refuses encryption.
    greeted: bool,
}

/// How a statement ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Code and message of each error.
    pub errors: Vec<(String, String)>,
    /// The session's state: idle, in a block, in a failed block.
    pub state: u8,
}

impl Talk {
    pub(super) async fn open(address: &str) -> Self {
        Self {
            stream: TcpStream::connect(address).await.expect("the door is open"),
            unread: Vec::new(),
            greeted: false,
        }
    }

    /// A session, ready for its first statement.
    pub(super) async fn session(address: &str) -> Self {
        let mut talk = Self::open(address).await;
        talk.send(&super::protocol::startup()).await;
        talk.until_ready().await.expect("a session opens");
        talk
    }

    /// What the server no longer takes is not the client's concern.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Says that nothing more comes.
    pub(super) async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next message, `None` at the end.
    pub(super) async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            while !self.greeted && self.unread.first() == Some(&b'N') {
                self.unread.remove(0);
            }
            if let [tag, a, b, c, d, ..] = self.unread[..] {
                self.greeted |= tag == b'R';
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                assert!((4..1 << 28).contains(&length), "message {} says it has {length} bytes", tag as char);
                if length < self.unread.len() {
                    let body = self.unread[5..=length].to_vec();
                    self.unread.drain(..=length);
                    return Some((tag, body));
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
        // A connection that is reset has ended too.
        read.expect("the server answers or ends").is_ok_and(|count| count != 0)
    }

    /// Runs statements to their end; `None` if the connection ended.
    pub(super) async fn query(&mut self, text: &str) -> Option<Ended> {
        self.send(&message(b'Q', &[text.as_bytes(), b"\0"].concat())).await;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Option<Ended> {
        let mut ended = Ended::default();
        loop {
            let (tag, body) = self.read().await?;
            match tag {
                b'E' => ended.errors.push(error(&body)),
                // No data is given.
                b'G' => self.send(&message(b'f', b"no\0")).await,
                b'Z' => {
                    ended.state = *body.first().expect("it tells the state");
                    return Some(ended);
                }
                _ => {}
            }
        }
    }
}

/// Code and message of an ErrorResponse.
pub(super) fn error(body: &[u8]) -> (String, String) {
    let field = |wanted: u8| {
        let fields = body.split(|byte| *byte == 0).filter(|field| field.first() == Some(&wanted));
        fields.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).next().unwrap_or_default()
    };
    (field(b'C'), field(b'M'))
}
