//! The length of audio and video, if the container states it.

use std::time::Duration;

use symphonia::core::{
    formats::{FormatOptions, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};

use super::bounded::Bounded;

/// Longer than anything that is sent in a chat: a container that says more is wrong.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes that are read to find it out. Tables of a long film take some hundred thousand; each byte of them may become many in
/// memory.
const BYTES: u64 = 4 * 1024 * 1024;

/// The length that the file states.
pub(super) fn of(file: Bounded, mime: &str) -> Option<Duration> {
    let stream = MediaSourceStream::new(Box::new(file.with_budget(BYTES)), MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    hint.mime_type(mime);
    let probe = symphonia::default::get_probe();
    let format = probe.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default()).ok()?;
    let whole = format.media_info();
    let stated = whole.time_base.zip(whole.duration);
    let longest = format.tracks().iter().filter_map(|track| track.time_base.zip(track.duration));
    let lengths = stated.into_iter().chain(longest).filter_map(|(base, length)| base.calc_duration(length));
    let length =
        lengths.filter_map(|length| u64::try_from(length.as_millis()).ok()).max().map(Duration::from_millis)?;
    (!length.is_zero() && length <= LONGEST).then_some(length)
}
