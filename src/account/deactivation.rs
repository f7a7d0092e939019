//! Giving up an account: nobody signs in to it any longer, and what its owner said stays or is erased.

use std::time::Duration;

use tokio::time::timeout;

use super::{erasure, profile};
use crate::{
    auth::Actor,
    chat::{Chat, succession},
    contract::user::GiveUp,
    error::{Error, Result},
};

/// How long the asker waits for all of an erasure.
const ERASURE_TIMEOUT: Duration = Duration::from_secs(5);

/// How far the end of an account has come when its owner is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    Wholly,
    /// The account is erased; leaving rooms and deleting messages goes on.
    Continuing,
}

/// Gives up the asker's account. The logins end at once; the rooms are handed over to others, and with `erase` the account is
/// emptied.
///
/// # Errors
/// `VALIDATION_ERROR` for messages to be erased without the account.
pub async fn give_up(chat: &Chat, actor: &Actor, request: GiveUp) -> Result<GivenUp> {
    let GiveUp { erase, erase_messages } = request;
    if !erase {
        if erase_messages {
            return Err(Error::field("erase_messages", "alone", "needs erase=true"));
        }
        profile::deactivate(chat, actor).await?;
        // The account is closed whatever becomes of its rooms.
        if let Err(error) = succession::hand_over(chat, actor.user_id).await {
            error.record();
        }
        return Ok(GivenUp::Wholly);
    }
    erasure::begin(chat, actor, erase_messages).await?;
    let (chat, user) = (chat.clone(), actor.user_id);
    let rest = tokio::spawn(async move { erasure::finish(&chat, user).await });
    match timeout(ERASURE_TIMEOUT, rest).await {
        Ok(finished) => finished.map_err(Error::internal)?.map(|()| GivenUp::Wholly),
        Err(_) => Ok(GivenUp::Continuing),
    }
}
