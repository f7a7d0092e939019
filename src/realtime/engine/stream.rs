//! A client's connection as the library reads and writes it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tungstenite::protocol::frame::coding::CloseCode;

use super::{
    connects::{ATTEMPTS, Fate},
    frame,
    inbound::Inbound,
    outbound::{Outbound, Write},
};
use crate::realtime::engine_session::EngineSession;

/// Stands between the connection and the library, which does not always read and write what the protocol says.
pub(super) struct Stream<S> {
    io: S,
    inbound: Inbound,
    outbound: Outbound,
    /// Who waits for something to read.
    reader: Option<Waker>,
    /// The first ping was kept from the client; its answer waits for a place between two frames.
    owes_pong: bool,
    /// Cancelled when the server stops.
    draining: CancellationToken,
    session: Option<Arc<EngineSession>>,
    /// How many CONNECT packets the library had taken before it could read the present one.
    taken_before: Option<u64>,
    /// What becomes of that.
    connecting: Option<Connecting>,
}

/// A CONNECT on its way.
struct Connecting {
    attempts: usize,
    fate: Pin<Box<dyn Future<Output = Fate> + Send>>,
}

impl Connecting {
    fn new(session: &Arc<EngineSession>, taken_before: u64, attempts: usize) -> Self {
        let session = Arc::clone(session);
        let fate = Box::pin(async move { session.connects().fate(taken_before).await });
        Self { attempts, fate }
    }
}

impl<S> Stream<S> {
    /// The WebSocket that a session begins with; a message may have `limit` bytes.
    pub(super) fn fresh(io: S, limit: usize, draining: CancellationToken, session: Option<Arc<EngineSession>>) -> Self {
        Self::new(io, Inbound::new(limit), Outbound::fresh(), draining, session)
    }

    /// The WebSocket that a session has chosen: client and server have said what an upgrade takes, which the library has yet
    /// to hear. `unread` was read already.
    pub(super) fn upgraded(
        io: S,
        unread: &[u8],
        limit: usize,
        draining: CancellationToken,
        session: Option<Arc<EngineSession>>,
    ) -> Self {
        let mut inbound = Inbound::new(limit);
        let passed = inbound.take(unread);
        let anew = std::mem::take(inbound.ready());
        inbound.insert("2probe");
        inbound.insert("5");
        inbound.ready().extend_from_slice(&unread[..passed]);
        inbound.ready().extend_from_slice(&anew);
        Self::new(io, inbound, Outbound::upgraded(), draining, session)
    }

    fn new(
        io: S,
        inbound: Inbound,
        outbound: Outbound,
        draining: CancellationToken,
        session: Option<Arc<EngineSession>>,
    ) -> Self {
        let mut stream = Self {
            io,
            inbound,
            outbound,
            reader: None,
            owes_pong: false,
            draining,
            session,
            taken_before: None,
            connecting: None,
        };
        stream.note_connect();
        stream
    }

    /// Why the WebSocket ends (RFC 6455, section 7.4.1).
    fn close_code(&self) -> CloseCode {
        if let Some(fault) = self.inbound.fault() {
            fault
        } else if self.draining.is_cancelled() {
            CloseCode::Away
        } else if self.outbound.is_closing() && !self.inbound.is_leaving() && self.has_asked_for_nothing() {
            // It sent an event before it joined a namespace, or nothing at all for too long.
            CloseCode::Policy
        } else if self.outbound.is_closing() || self.inbound.is_leaving() {
            CloseCode::Normal
        } else {
            // Without a word the library ends a session over one thing only that is not looked for here: text that is none.
            CloseCode::Invalid
        }
    }

    /// Whether the client never asked to be let into a namespace.
    fn has_asked_for_nothing(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.connects().taken() == 0)
    }
}

impl<S> Stream<S> {
    /// Waits until what follows a CONNECT may follow it. Whether that changed what is to be read next.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(connect) = self.inbound.connect().map(str::to_owned) else { return Poll::Ready(false) };
        let Some(session) = &self.session else {
            self.inbound.go_on();
            return Poll::Ready(true);
        };
        // The library has read the packet when it asks for more, and takes it up at once, or not at all.
        let taken_before = self.taken_before.unwrap_or_default();
        let connecting = self.connecting.get_or_insert_with(|| Connecting::new(session, taken_before, 1));
        let fate = ready!(connecting.fate.as_mut().poll(cx));
        let attempts = connecting.attempts;
        if fate == Fate::PassedOver && attempts < ATTEMPTS {
            self.connecting = Some(Connecting::new(session, taken_before, attempts + 1));
            self.inbound.insert(&connect);
        } else {
            (self.connecting, self.taken_before) = (None, None);
            self.inbound.go_on();
            self.note_connect();
        }
        Poll::Ready(true)
    }

    /// Looks, before the library may read it, whether a CONNECT came.
    fn note_connect(&mut self) {
        if self.inbound.connect().is_some() {
            let session = self.session.as_ref();
            self.taken_before.get_or_insert_with(|| session.map_or(0, |session| session.connects().taken()));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.owes_pong && this.inbound.is_between_frames() {
                this.owes_pong = false;
                this.inbound.insert("3");
            }
            let waiting = this.inbound.ready();
            if !waiting.is_empty() {
                let count = waiting.len().min(buf.remaining());
                buf.put_slice(&waiting[..count]);
                waiting.drain(..count);
                if waiting.is_empty() {
                    // It is rare that something waits: no memory is kept for it.
                    *waiting = Vec::new();
                }
                return Poll::Ready(Ok(()));
            }
            if ready!(this.poll_connect(cx)) {
                continue;
            }
            let before = buf.filled().len();
            let polled = Pin::new(&mut this.io).poll_read(cx, buf);
            if polled.is_pending() && this.outbound.skips_ping() {
                this.reader = Some(cx.waker().clone());
            }
            ready!(polled)?;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            let passed = this.inbound.take(&buf.filled()[before..]);
            this.note_connect();
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Stream<S> {
    /// Writes what must come first.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pending = self.outbound.pending();
        while !pending.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_pending(cx))?;
        let count = match this.outbound.scan(buf) {
            Write::Plain(count) => {
                let written = ready!(Pin::new(&mut this.io).poll_write(cx, &buf[..count]))?;
                this.outbound.written(buf, written);
                return Poll::Ready(Ok(written));
            }
            Write::Ping(count) => {
                this.owes_pong = true;
                if let Some(reader) = this.reader.take() {
                    reader.wake();
                }
                count
            }
            Write::Replaced(count) => count,
            Write::Close(count) => {
                let code = u16::from(this.close_code()).to_be_bytes();
                this.outbound.pending().extend_from_slice(&frame::build(frame::CLOSE, &code, false));
                count
            }
        };
        // The library may not flush its last words.
        if let Poll::Ready(Err(error)) = this.poll_pending(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
