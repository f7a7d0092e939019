//! The parameters of paths, each declared once: a handler takes a type of these, and its documentation names it.

use axum::{
    extract::{FromRequestParts, Path, path::ErrorKind, rejection::PathRejection},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{
    contract::{InvitationId, MediaId, MessageId, RoomId, UserId},
    error::{Error, Result},
};

macro_rules! paths {
    ($($name:ident { $($(#[$attribute:meta])+ $parameter:ident: $kind:ty,)+ })+) => {$(
        #[derive(Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(super) struct $name {
            $($(#[$attribute])+ pub(super) $parameter: $kind,)+
        }

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Error;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
                read(parts, state).await
            }
        }
    )+};
}

paths! {
    RoomPath {
        /// Which room
        id: RoomId,
    }
    MemberPath {
        /// Which room
        id: RoomId,
        /// Who
        user_id: UserId,
    }
    RoomInvitationPath {
        /// Which room
        id: RoomId,
        /// Which invitation
        invitation_id: InvitationId,
    }
    MessagePath {
        /// Which message
        id: MessageId,
    }
    ReactionPath {
        /// Which message
        id: MessageId,
        /// One emoji, percent-encoded
        #[param(min_length = 1, max_length = 64)]
        emoji: String,
    }
    MediaPath {
        /// Which file
        id: MediaId,
    }
    UserPath {
        /// Who
        id: UserId,
    }
    InvitationPath {
        /// Which invitation
        id: InvitationId,
    }
    InvitePath {
        /// Of a link or an invitation
        #[param(max_length = 128)]
        code: String,
    }
}

/// Whatever does not fit is refused with the name of its parameter.
async fn read<T: DeserializeOwned + Send>(parts: &mut Parts, state: &(impl Send + Sync)) -> Result<T> {
    match Path::from_request_parts(parts, state).await {
        Ok(Path(parameters)) => Ok(parameters),
        Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.into_kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => Error::field(key, "invalid", "must be text in UTF-8"),
            ErrorKind::DeserializeError { key, message, .. } => Error::field(key, "invalid", message),
            other => Error::internal(other.to_string()),
        }),
        Err(error) => Err(Error::internal(error)),
    }
}
