//! Pictures of people and rooms: an address elsewhere, or a picture that was uploaded here.

use super::attachment::{self, INVALID_MEDIA};
use crate::{
    contract::{MediaId, MessageType, UserId, text},
    db::Transaction,
    error::{Error, Result},
    media::{kind, link::Links},
};

/// Where a picture is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Avatar {
    /// Elsewhere.
    pub(crate) url: Option<String>,
    /// Or here.
    pub(crate) media_id: Option<MediaId>,
}

impl Avatar {
    /// What a new `avatar_url` means. An address of ours names a picture that `owner` uploaded, or the present one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for what is no address, `INVALID_MEDIA` for one of ours that names no such picture.
    pub(crate) async fn named(
        tx: &Transaction,
        links: &Links,
        owner: UserId,
        url: Option<String>,
        present: Option<MediaId>,
    ) -> Result<Self> {
        let Some(url) = url else { return Ok(Self::default()) };
        if !links.looks_ours(&url) {
            Error::check([text::address("avatar_url", &url)])?;
            return Ok(Self { url: Some(url), media_id: None });
        }
        let id = links.named_by(&url).ok_or(INVALID_MEDIA)?;
        let file = attachment::held(tx, [id].into()).await?.remove(&id).ok_or(INVALID_MEDIA)?;
        let is_theirs = file.owner_id == owner && file.withdrawn_at.is_none();
        let is_picture =
            kind::message_type(&file.mime_type) == MessageType::Image && file.thumbnail_mime_type.is_some();
        if present == Some(id) || (is_theirs && is_picture) {
            Ok(Self { url: None, media_id: Some(id) })
        } else {
            Err(INVALID_MEDIA)
        }
    }

    /// Lets go of the picture that this one took the place of. To be called once the row says so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn replaces(&self, tx: &Transaction, before: Option<MediaId>) -> Result<()> {
        match before {
            Some(before) if self.media_id != Some(before) => attachment::release(tx, [before].into()).await,
            _ => Ok(()),
        }
    }
}
