//! How long a sound or a film lasts, where its container tells it without being played.

use std::time::Duration;

use symphonia::core::{
    formats::{FormatOptions, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};

use super::spool::Spool;

/// Longer than anything that is sent in a chat: a container that says more is wrong.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The length that the file itself tells.
pub(super) fn of(spool: &Spool, mime: &str) -> Option<Duration> {
    let file = spool.reader().ok()?;
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    hint.mime_type(mime);
    let probe = symphonia::default::get_probe();
    let format = probe.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default()).ok()?;
    let whole = format.media_info();
    let told = whole.time_base.zip(whole.duration);
    let longest = format.tracks().iter().filter_map(|track| track.time_base.zip(track.duration));
    let lengths = told.into_iter().chain(longest).filter_map(|(base, length)| base.calc_duration(length));
    let length =
        lengths.filter_map(|length| u64::try_from(length.as_millis()).ok()).max().map(Duration::from_millis)?;
    (!length.is_zero() && length <= LONGEST).then_some(length)
}
