//! A file as the body of a request: read as it is sent, so that no file is in memory whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes that are read at a time.
const READ_BYTES: u64 = 64 << 10;

/// The body.
pub(super) struct FileBody {
    file: File,
    left: u64,
}

impl FileBody {
    /// The first so many bytes of a file.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, left: bytes })
    }

    fn read_part(&mut self) -> io::Result<Bytes> {
        let mut part = Vec::new();
        let read = (&self.file).take(self.left.min(READ_BYTES)).read_to_end(&mut part)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"));
        }
        self.left -= read as u64;
        Ok(part.into())
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads from the disk while it is polled: the role has a thread of its own, and nobody waits for it.
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        Poll::Ready((body.left > 0).then(|| body.read_part().map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_sent_in_parts_and_one_that_has_shrunk_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.csv");
        let content: Vec<u8> = (0..u8::MAX).cycle().take(150_000).collect();
        std::fs::write(&path, &content).unwrap();
        let mut body = FileBody::open(&path, 150_000).unwrap();
        assert_eq!(body.size_hint().exact(), Some(150_000));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len() as u64, READ_BYTES);
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(first[..], content[..first.len()]);
        assert_eq!(rest[..], content[first.len()..]);
        let longer = FileBody::open(&path, 150_001).unwrap();
        assert!(longer.collect().await.is_err());
        assert!(FileBody::open(&path, 0).unwrap().is_end_stream());
    }
}
