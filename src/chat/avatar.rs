//! Avatars of users and rooms: an external URL, or an uploaded image.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::attachment::{self, INVALID_MEDIA};
use crate::{
    clock,
    contract::{MediaId, MessageType, UserId, text},
    db::Transaction,
    error::{Error, Result},
    media::{
        kind,
        signed_url::{AVATAR_LIFE, UrlSigner},
    },
};
use entity::media;

/// Where an avatar is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Avatar {
    /// At an external URL.
    pub(crate) url: Option<String>,
    /// In the media store.
    pub(crate) media_id: Option<MediaId>,
}

impl Avatar {
    /// Reads a new `avatar_url`. A URL of ours must name an image that `owner` uploaded, or the present avatar.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for an invalid URL, `INVALID_MEDIA` for one of ours that names no such image.
    pub(crate) async fn named(
        tx: &Transaction,
        signer: &UrlSigner,
        owner: UserId,
        url: Option<String>,
        present: Option<MediaId>,
    ) -> Result<Self> {
        let Some(url) = url else { return Ok(Self::default()) };
        if !signer.looks_ours(&url) {
            Error::check([text::address("avatar_url", &url)])?;
            return Ok(Self { url: Some(url), media_id: None });
        }
        let id = signer.media_id_of(&url).ok_or(INVALID_MEDIA)?;
        let file = attachment::lock_files(tx, [id].into()).await?.remove(&id).ok_or(INVALID_MEDIA)?;
        let is_theirs = file.owner_id == owner && file.withdrawn_at.is_none();
        let is_picture =
            kind::message_type(&file.mime_type) == MessageType::Image && file.thumbnail_mime_type.is_some();
        if present == Some(id) || (is_theirs && is_picture) {
            Ok(Self { url: None, media_id: Some(id) })
        } else {
            Err(INVALID_MEDIA)
        }
    }

    /// Releases the avatar that this one replaces. If there is a new one, the old one stays for a while, because screens of others still
    /// show it. To be called after the row is updated.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn replaces(&self, tx: &Transaction, before: Option<MediaId>) -> Result<()> {
        let Some(before) = before.filter(|before| self.media_id != Some(*before)) else { return Ok(()) };
        if self.media_id.is_some() || self.url.is_some() {
            media::Entity::update_many()
                .col_expr(media::Column::KeptUntil, Expr::value(clock::now().plus(AVATAR_LIFE)))
                .filter(media::Column::Id.eq(before))
                .exec(tx)
                .await?;
        }
        attachment::release(tx, [before].into()).await
    }
}
