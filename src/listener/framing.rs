//! Requests that say twice, and differently, where they end.
//!
//! A request with `Content-Length` and `Transfer-Encoding` is how one request is smuggled past a proxy inside another
//! (RFC 9112, section 6.1, lets a server refuse it). hyper drops the length silently, so such a head is found in the
//! bytes before hyper sees them, and made one that hyper refuses with 400.

/// Bytes kept of a header's name: one more than the longest that matters here, `transfer-encoding`.
const NAME: usize = 18;

/// Follows the requests of one connection as far as is needed to find the head of each.
#[derive(Debug, Default)]
pub(super) struct Framing {
    at: At,
    line: Line,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// The empty lines that may precede a request (RFC 9112, section 2.2).
    #[default]
    Before,
    RequestLine,
    Header,
    /// That many bytes of a body are left.
    Body(u64),
    /// Nothing more to find: a chunked body or another protocol follows, and after it no request on this connection
    /// ([`fn@super::serve`]).
    Done,
}

/// What was seen of the present header line.
#[derive(Debug, Default)]
struct Line {
    name: [u8; NAME],
    name_len: usize,
    in_value: bool,
    /// The number that its digits make.
    number: u64,
}

impl Line {
    fn name(&self) -> &[u8] {
        &self.name[..self.name_len]
    }

    fn push(&mut self, byte: u8) {
        if self.name_len < NAME {
            self.name[self.name_len] = byte.to_ascii_lowercase();
            self.name_len += 1;
        }
    }
}

impl Framing {
    /// Looks at bytes that arrived, and spoils the head that has both headers.
    pub(super) fn inspect(&mut self, bytes: &mut [u8]) {
        let mut next = 0;
        while next < bytes.len() {
            match self.at {
                At::Done => return,
                At::Body(left) => {
                    let left_here = bytes.len() - next;
                    let skipped = usize::try_from(left).map_or(left_here, |left| left.min(left_here));
                    let left = left - skipped as u64;
                    self.at = if left == 0 { At::Before } else { At::Body(left) };
                    next += skipped;
                    continue;
                }
                At::Before if matches!(bytes[next], b'\r' | b'\n') => {}
                At::Before => *self = Self { at: At::RequestLine, ..Self::default() },
                At::RequestLine if bytes[next] == b'\n' => self.at = At::Header,
                At::RequestLine => {}
                At::Header => self.header(&mut bytes[next]),
            }
            next += 1;
        }
    }

    /// Whether all that was begun has arrived; not known of a chunked body, nor of another protocol.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(self.at, At::Before)
    }

    fn header(&mut self, byte: &mut u8) {
        match *byte {
            b'\n' => self.end_of_line(),
            b'\r' => {}
            b':' if !self.line.in_value => {
                self.line.in_value = true;
                let twice = match self.line.name() {
                    b"content-length" => self.chunked,
                    b"transfer-encoding" => self.length.is_some(),
                    _ => false,
                };
                if twice {
                    // No header's name may hold it (RFC 9110, section 5.6.2).
                    *byte = b'\0';
                    self.at = At::Done;
                }
            }
            digit @ b'0'..=b'9' if self.line.in_value => {
                self.line.number = self.line.number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            }
            other if !self.line.in_value => self.line.push(other),
            _ => {}
        }
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match line.name() {
            b"content-length" => self.length = Some(line.number),
            b"transfer-encoding" => self.chunked = true,
            b"upgrade" => self.upgrade = true,
            b"" if !line.in_value => {
                self.at = match self.length {
                    _ if self.chunked || self.upgrade => At::Done,
                    None | Some(0) => At::Before,
                    Some(length) => At::Body(length),
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the bytes are left as they are, arriving `step` at a time.
    fn passes(text: &str, step: usize) -> bool {
        let mut framing = Framing::default();
        let mut bytes = text.as_bytes().to_vec();
        bytes.chunks_mut(step).for_each(|chunk| framing.inspect(chunk));
        bytes == text.as_bytes()
    }

    #[test]
    fn only_a_head_with_both_headers_is_spoilt() {
        let both = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let turned = "POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\nHost: x\r\ncontent-length:5\r\n\r\n";
        let length = "POST / HTTP/1.1\r\nHost: x:1\r\nContent-Length: 70\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let plain = "GET /?content-length:transfer-encoding: HTTP/1.1\r\nX-Content-Length: 5\r\n\r\n";
        let body = "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n.....................";
        let upgrade = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(body.len(), 70);
        for (text, fine) in [
            (both.to_owned(), false),
            (turned.to_owned(), false),
            (both.replace("\r\n", "\n"), false),
            (format!("\r\n{both}"), false),
            (format!("{plain}{both}"), false),
            (format!("{length}{body}{both}"), false),
            (format!("{length}{body}{plain}{length}{body}"), true),
            (plain.to_owned(), true),
            (format!("{chunked}0\r\n\r\n"), true),
            (format!("{upgrade}{body}"), true),
        ] {
            for step in [1, 2, 7, 4096] {
                assert_eq!(passes(&text, step), fine, "{step} bytes at a time of {text:?}");
            }
        }
    }
}
