//! Sockets, as streams of bytes.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// Where a socket listens or comes from.
pub type Address = SocketAddr;

/// A connected stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Listens and connects.
#[async_trait]
pub trait Network: Send + Sync {
    /// Listens at `address`; port 0 takes a free one.
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>>;
    /// Connects to `address`.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>>;
}

/// Accepts connections.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The next connection and who made it. Cancel-safe.
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)>;
    /// Where it listens, with the port that was taken.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// The machine's TCP.
pub struct RealNetwork;

#[async_trait]
impl Network for RealNetwork {
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(RealListener(TcpListener::bind(address).await?)))
    }

    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

struct RealListener(TcpListener);

#[async_trait]
impl Listener for RealListener {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
