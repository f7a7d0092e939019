//! A line between two programs that can be cut, slowed and stopped.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, rngs::StdRng};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use super::rest::Site;

/// How the line is.
#[derive(Clone)]
struct State {
    /// Counts cuts: a connection ends when this is no longer what it began with.
    cuts: u64,
    /// Connections older than this many carry nothing any more.
    stranded: u64,
    stalled: bool,
    delay: Duration,
    refuses: bool,
    /// Whoever asks this gets no answer, and none to anything after it.
    unanswered: Option<&'static str>,
}

/// How many bytes connections live for.
type Life = (StdRng, std::ops::Range<usize>);

/// A TCP connection through a free port of ours, or several.
pub(crate) struct Line {
    addr: SocketAddr,
    line: Arc<watch::Sender<State>>,
    /// After how many bytes each connection is cut.
    life: Arc<Mutex<Option<Life>>>,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        Self::open(move || target).await
    }

    /// A line to a node, wherever it is after a restart.
    pub(crate) async fn to_site(site: &Site) -> Self {
        let site = site.clone();
        Self::open(move || site.addr()).await
    }

    async fn open(target: impl Fn() -> SocketAddr + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let line =
            State { cuts: 0, stranded: 0, stalled: false, delay: Duration::ZERO, refuses: false, unanswered: None };
        let line = Arc::new(watch::channel(line).0);
        let life: Arc<Mutex<Option<Life>>> = Arc::default();
        let (lines, lives) = (Arc::clone(&line), Arc::clone(&life));
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("it listens");
                if lines.borrow().refuses {
                    reset(&near);
                    continue;
                }
                let Ok(far) = TcpStream::connect(target()).await else { continue };
                for end in [&near, &far] {
                    end.set_nodelay(true).expect("a TCP socket");
                }
                let bytes =
                    lives.lock().expect("no panic").as_mut().map(|(rng, range)| rng.random_range(range.clone()));
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                let deaf = Arc::<AtomicBool>::default();
                let (there, back) = (Direction::There(Arc::clone(&deaf)), Direction::Back { deaf, bytes });
                tokio::spawn(carry(near_in, far_out, lines.subscribe(), there));
                tokio::spawn(carry(far_in, near_out, lines.subscribe(), back));
            }
        });
        Self { addr, line, life, task }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends every connection; new ones are let through.
    pub(crate) fn cut(&self) {
        self.line.send_modify(|line| line.cuts += 1);
    }

    /// Ends every connection, and refuses new ones until [`Self::mend`].
    pub(crate) fn sever(&self) {
        self.line.send_modify(|line| line.refuses = true);
        self.cut();
    }

    pub(crate) fn mend(&self) {
        self.line.send_modify(|line| line.refuses = false);
    }

    /// Keeps connections open and carries nothing, or does again.
    pub(crate) fn stall(&self, stalled: bool) {
        self.line.send_modify(|line| line.stalled = stalled);
    }

    /// Leaves the connections that there are open, and loses what goes through them, as when the machine at their other end
    /// vanished; new ones reach another.
    pub(crate) fn strand(&self) {
        self.line.send_modify(|line| line.stranded += 1);
    }

    /// Carries what is asked and loses the answer, from the next connection on that asks for something with these words in it, and
    /// everything that connection is answered later.
    pub(crate) fn leave_unanswered(&self, words: Option<&'static str>) {
        self.line.send_modify(|line| line.unanswered = words);
    }

    /// Holds each piece back for this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.line.send_modify(|line| line.delay = delay);
    }

    /// Cuts each new connection after a random number of bytes of answers, wherever in a message that is.
    pub(crate) fn cut_after(&self, rng: StdRng, bytes: std::ops::Range<usize>) {
        *self.life.lock().expect("no panic") = Some((rng, bytes));
        self.cut();
    }
}

/// One of the two ways of a connection.
enum Direction {
    /// Sets whether the connection gets no answers any more.
    There(Arc<AtomicBool>),
    Back {
        deaf: Arc<AtomicBool>,
        /// What it carries before it is cut.
        bytes: Option<usize>,
    },
}

impl Direction {
    /// Looks at what comes by; answers whether it is lost.
    fn loses(&self, piece: &[u8], unanswered: Option<&str>) -> bool {
        match self {
            Self::There(deaf) => {
                if unanswered.is_some_and(|words| piece.windows(words.len()).any(|part| part == words.as_bytes())) {
                    deaf.store(true, Ordering::SeqCst);
                }
                false
            }
            Self::Back { deaf, .. } => deaf.load(Ordering::SeqCst),
        }
    }
}

/// Carries one direction until its end, a cut, or the last of its bytes.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<State>,
    direction: Direction,
) {
    let mut bytes = if let Direction::Back { bytes, .. } = &direction { *bytes } else { None };
    let State { cuts, stranded, .. } = *line.borrow();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            cut = line.wait_for(|line| line.cuts != cuts) => {
                drop(cut);
                return reset(to.as_ref());
            }
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        if read == 0 {
            break;
        }
        let is_lost = direction.loses(&buffer[..read], line.borrow().unanswered);
        let moves = |line: &State| !is_lost && !line.stalled && line.stranded == stranded;
        if line.wait_for(|line| moves(line) || line.cuts != cuts).await.is_err() {
            return reset(to.as_ref());
        }
        let delay = line.borrow().delay;
        tokio::time::sleep(delay).await;
        let part = bytes.map_or(read, |left| left.min(read));
        bytes = bytes.map(|left| left - part);
        if to.write_all(&buffer[..part]).await.is_err() || bytes == Some(0) {
            break;
        }
    }
    // Both directions end: the halves of the other one see the end of theirs.
    let _ = to.shutdown().await;
    drop(from);
}

/// Ends a connection by a reset, so that the other end sees a fault and not a farewell.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
