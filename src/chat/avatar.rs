//! Pictures of people and rooms: a URL elsewhere, or a picture that was uploaded here.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::attachment::{self, INVALID_MEDIA};
use crate::{
    clock::Clock,
    contract::{MediaId, MessageType, UserId, text},
    db::Transaction,
    error::{Error, Result},
    media::{
        kind,
        signed_url::{AVATAR_LIFE, UrlSigner},
    },
};
use entity::media;

/// Where a picture is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Avatar {
    /// Elsewhere.
    pub(crate) url: Option<String>,
    /// Or here.
    pub(crate) media_id: Option<MediaId>,
}

impl Avatar {
    /// What a new `avatar_url` means. A URL of ours names a picture that `owner` uploaded, or the present one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for what is no URL, `INVALID_MEDIA` for one of ours that names no such picture.
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

    /// Lets go of the picture that this one took the place of: where there is another, after a while, because what others have on
    /// their screens still shows the old one. To be called once the row says so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn replaces(&self, tx: &Transaction, before: Option<MediaId>) -> Result<()> {
        let Some(before) = before.filter(|before| self.media_id != Some(*before)) else { return Ok(()) };
        if self.media_id.is_some() || self.url.is_some() {
            media::Entity::update_many()
                .col_expr(media::Column::KeptUntil, Expr::value(Clock.now().plus(AVATAR_LIFE)))
                .filter(media::Column::Id.eq(before))
                .exec(tx)
                .await?;
        }
        attachment::release(tx, [before].into()).await
    }
}
