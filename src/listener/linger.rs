//! The end of a connection whose peer is still sending.
//!
//! Who closes a socket with bytes in it that nobody read makes the kernel send a reset, and a reset throws away what the peer
//! has received and not read yet: a refusal that was written a moment before would arrive as a broken pipe. So we say that
//! nothing more comes from here, read what still arrives, and close when the peer has (RFC 9112, section 9.6).

use std::{io, net::Shutdown, time::Duration};

use socket2::SockRef;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// How long a peer may go on, and how long it may be silent.
const LIFE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(3);

/// How many bytes are read and dropped. More than an upload may have by default, so that one that is refused at its
/// head can end.
const BYTES: usize = 64 * 1024 * 1024;

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Takes over the end of a connection that is about to be dropped.
pub(super) fn begin(stream: &TcpStream) {
    // A second handle of the same connection: it stays open when the first is dropped.
    let Ok(handle) = SockRef::from(stream).try_clone() else { return };
    let (Ok(runtime), Ok(())) = (tokio::runtime::Handle::try_current(), handle.shutdown(Shutdown::Write)) else {
        return;
    };
    let _inside = runtime.enter();
    if let Ok(stream) = TcpStream::from_std(handle.into()) {
        runtime.spawn(discard(stream));
    }
}

/// Reads until the peer closes, or until it was given enough.
async fn discard(stream: TcpStream) {
    let end = Instant::now() + LIFE;
    let mut left = BYTES;
    while left > 0 {
        let by = end.min(Instant::now() + SILENCE);
        let Ok(Ok(())) = timeout_at(by, stream.readable()).await else { return };
        // Not kept while nothing comes: many connections may end at once.
        match stream.try_read(&mut [0; CHUNK]) {
            Ok(read) if read > 0 => left = left.saturating_sub(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
