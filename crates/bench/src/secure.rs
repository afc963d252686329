//! Connections of our own by TLS, to the edge of whatever is measured.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use net::tls::{TlsClient, TlsSession, authorities, self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Where SIP over TLS listens.
pub const SECURE_PORT: u16 = 5061;

/// A certificate for all of these names and addresses, with its key.
pub fn certificate(names: &[String], folder: &Path) -> Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let file = folder.join("edge.pem");
    fs::write(&file, self_signed::generate(names, i64::try_from(now)?)?)?;
    Ok(file)
}

/// A client that believes this certificate alone.
pub fn client(pem: &Path) -> Result<TlsClient> {
    Ok(TlsClient::new(None, authorities::of_files(&[pem])?)?)
}

/// A connection on which the proxy has proved its address.
pub struct SecureStream {
    tcp: TcpStream,
    session: TlsSession,
}

impl SecureStream {
    /// Opens one from this address of ours.
    pub async fn connect(proxy: SocketAddr, local: IpAddr, tls: &TlsClient) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(local, 0))?;
        let mut tcp = socket.connect(proxy).await?;
        tcp.set_nodelay(true)?;
        let mut session = tls.connect(&proxy.ip().to_string())?;
        session.limit(1 << 20);
        let mut buffer = [0; 16_384];
        loop {
            tcp.write_all(&session.take_output()).await?;
            if !session.is_handshaking() {
                return Ok(Self { tcp, session });
            }
            let length = tcp.read(&mut buffer).await?;
            ensure!(length > 0, "{proxy} closes the connection");
            session.receive(&buffer[..length], |_| {})?;
        }
    }

    /// Our address, and the proxy's.
    pub fn addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        Ok((self.tcp.local_addr()?, self.tcp.peer_addr()?))
    }

    /// Says this to the proxy.
    pub async fn send(&mut self, plain: &[u8]) -> Result<()> {
        self.session.send(plain).context("the proxy does not read")?;
        Ok(self.tcp.write_all(&self.session.take_output()).await?)
    }

    /// Waits until the proxy says something, by way of this buffer. Nothing is lost if the caller stops waiting.
    pub async fn receive(&mut self, buffer: &mut [u8], take: impl FnMut(&[u8])) -> Result<()> {
        let length = self.tcp.read(buffer).await?;
        ensure!(length > 0, "the proxy closes the connection");
        self.session.receive(&buffer[..length], take)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use net::tls::identity::IdentityFiles;
    use net::tls::{Identity, Tls};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers the first one who connects with its own words.
    async fn repeat(listener: TcpListener, tls: Tls) -> Result<()> {
        let ((mut tcp, _), mut session) = (listener.accept().await?, tls.accept()?);
        let (mut buffer, mut said) = ([0; 16_384], Vec::new());
        loop {
            let length = tcp.read(&mut buffer).await?;
            ensure!(length > 0, "it has gone");
            session.receive(&buffer[..length], |plain| said.extend_from_slice(plain))?;
            if !said.is_empty() {
                session.send(&std::mem::take(&mut said))?;
            }
            tcp.write_all(&session.take_output()).await?;
        }
    }

    #[tokio::test]
    async fn what_is_said_and_heard_passes_through_the_session() {
        let folder = tempfile::tempdir().unwrap();
        let pem = certificate(&["127.0.0.1".to_owned()], folder.path()).unwrap();
        let identity = Identity::read(&IdentityFiles::parse(&pem.display().to_string())).unwrap();
        let roots = authorities::of_files(&[&pem]).unwrap();
        let tls = Tls::new(vec![Arc::new(identity)], None, roots, None).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let server = tokio::spawn(repeat(listener, tls));
        let mut secure =
            SecureStream::connect(proxy, "127.0.0.1".parse().unwrap(), &client(&pem).unwrap()).await.unwrap();
        assert_eq!(secure.addresses().unwrap().1, proxy);
        secure.send(b"OPTIONS").await.unwrap();
        let mut heard = Vec::new();
        while heard.is_empty() {
            secure.receive(&mut [0; 64], |plain| heard.extend_from_slice(plain)).await.unwrap();
        }
        assert_eq!(heard, b"OPTIONS");
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        assert!(secure.receive(&mut [0; 64], |_| {}).await.is_err(), "the other side has gone");
    }
}
