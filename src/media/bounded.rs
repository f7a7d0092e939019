//! Bytes of an untrusted file for parsers and decoders: reading fails after a deadline.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use symphonia::core::io::MediaSource;

/// The timeout of an examination.
pub(super) const EXAMINATION_TIMEOUT: Duration = Duration::from_secs(2);

/// The deadline of an examination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn start() -> Self {
        Self(Instant::now() + EXAMINATION_TIMEOUT)
    }

    #[cfg(test)]
    pub(super) fn over() -> Self {
        Self(Instant::now())
    }

    /// The time left.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// A reader with its own position in a file, which fails after a deadline and beyond a number of bytes.
#[derive(Debug)]
pub(super) struct Bounded {
    file: File,
    at: u64,
    size: u64,
    deadline: Deadline,
    budget: u64,
}

impl Bounded {
    pub(super) fn new(file: File, size: u64, deadline: Deadline) -> Self {
        Self { file, at: 0, size, deadline, budget: u64::MAX }
    }

    /// The same bytes once more.
    pub(super) fn rewound(self) -> Self {
        Self { at: 0, ..self }
    }

    /// The same, for that many bytes at most.
    pub(super) fn with_budget(self, budget: u64) -> Self {
        Self { budget, ..self }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.left().is_zero() || self.budget == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        self.budget = self.budget.saturating_sub(count as u64);
        Ok(count)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(distance) => self.size.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl MediaSource for Bounded {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        file
    }

    #[test]
    fn reading_ends_with_its_time_and_its_bytes() {
        let mut whole = String::new();
        Bounded::new(file(), 10, Deadline::start()).read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "0123456789");
        let past = Deadline::over();
        assert_eq!(Bounded::new(file(), 10, past).read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut some = Bounded::new(file(), 10, Deadline::start()).with_budget(2);
        some.seek(SeekFrom::End(-4)).unwrap();
        let mut two = [0; 2];
        some.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"67");
        assert_eq!(some.read(&mut two).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn two_readers_have_two_places() {
        let one = file();
        let mut first = Bounded::new(one.try_clone().unwrap(), 10, Deadline::start());
        let mut second = Bounded::new(one, 10, Deadline::start());
        let mut byte = [0];
        first.seek(SeekFrom::Start(5)).unwrap();
        second.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"0");
        first.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"5");
    }
}
