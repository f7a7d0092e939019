//! To whom rows are shown.

use crate::{config::Emails, contract::UserId, media::signed_url::UrlSigner};

/// To whom rows are shown, and what that takes: a signer for URLs of files, and the setting for e-mail addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient<'a> {
    /// One user; or none for all subscribers of a room, who receive the same entry of its log.
    pub(crate) user: Option<UserId>,
    pub(crate) signer: &'a UrlSigner,
    pub(crate) emails: Emails,
}

impl<'a> Recipient<'a> {
    /// All subscribers of a room.
    pub(crate) fn everyone(signer: &'a UrlSigner, emails: Emails) -> Self {
        Self { user: None, signer, emails }
    }

    /// One user.
    pub(crate) fn one(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }
}
