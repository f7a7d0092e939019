//! An entry of a room's log, encoded for its recipients.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer};

use crate::{
    contract::{
        EventKind, HistoryAccess, Role, RoomId, Seq, UserId,
        event::{Durable, Encoded, EntryData, NEW_MESSAGE, ServerEvent},
    },
    media::signed_url::UrlSigner,
};

/// The name of an event. An alias, because serde takes a reference in a field for borrowed from what it reads.
type EventName = &'static str;

/// An entry of a room's log, encoded once for all recipients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub room_id: RoomId,
    pub seq: Seq,
    /// The event's name.
    #[serde(deserialize_with = "known_name")]
    pub name: EventName,
    /// The event's data, for who may read all that it shows.
    data: Encoded,
    /// The data for users who may not read all of that: each with the newest seq that it leaves out, the latest first.
    narrowed: Vec<(Seq, Encoded)>,
    /// The data for the user whom it is about, who sees all of themselves.
    #[serde(default)]
    own: Option<(UserId, Encoded)>,
    /// What it changes in who may receive the room.
    pub audience: Audience,
    /// Whether earlier entries show something else since: the text of a message that was edited, the address of who left;
    /// or whether it shows other people something else.
    pub rewrites: bool,
    /// Whether it has placeholders for signed URLs; see [`UrlSigner::fill`].
    pub has_urls: bool,
}

/// What an entry changes in who may receive the room or type in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Nothing.
    Unchanged,
    /// This user sent a message: they stopped typing.
    Message(UserId),
    /// This user may receive the room from now on.
    Gained(UserId),
    /// This user may no longer receive it.
    Lost(UserId),
    /// This user may receive it and not send to it.
    Silenced(UserId),
    /// Nobody may receive it any more.
    Closed,
}

impl Entry {
    /// Encodes `change`, which has the seq `seq` in its room, where newcomers read as far back as `history` says.
    #[must_use]
    pub fn new(room_id: RoomId, seq: Seq, change: Durable, history: HistoryAccess) -> Self {
        let audience = match &change {
            Durable::NewMessage { message } => Audience::Message(message.sender_id),
            Durable::MemberAdded { member } => Audience::Gained(member.user_id),
            Durable::MemberUpdated { member } if member.role == Role::Viewer || member.muted_until.is_some() => {
                Audience::Silenced(member.user_id)
            }
            Durable::MemberRemoved { user_id, .. } => Audience::Lost(*user_id),
            Durable::RoomDeleted {} => Audience::Closed,
            _ => Audience::Unchanged,
        };
        let rewrites = matches!(
            change,
            Durable::MessageEdited { .. }
                | Durable::MessageDeleted { .. }
                | Durable::MemberRemoved { .. }
                | Durable::RoomUpdated { .. }
        );
        let has_urls = match &change {
            Durable::NewMessage { message } | Durable::MessageEdited { message, .. } => !message.attachments.is_empty(),
            _ => false,
        };
        let encode = |change| Encoded::new(&EntryData { room_id, seq, change });
        let narrowed = match history {
            HistoryAccess::All => Vec::new(),
            HistoryAccess::SinceJoined => {
                change.narrowed().into_iter().map(|(before, change)| (before, encode(change))).collect()
            }
        };
        let name = change.name();
        let own = change.own().map(|(user, change)| (user, encode(change)));
        Self { room_id, seq, name, data: encode(change), narrowed, own, audience, rewrites, has_urls }
    }

    /// The event's data for `reader`, who joined the room at that seq.
    #[must_use]
    pub fn data_for(&self, reader: UserId, joined: Seq, signer: &UrlSigner) -> Cow<'_, Encoded> {
        let narrowed = self.narrowed.iter().find(|(left_out, _)| *left_out < joined);
        let own = self.own.iter().find(|(user, _)| *user == reader).map_or(&self.data, |(_, data)| data);
        let data = narrowed.map_or(own, |(_, data)| data);
        if self.has_urls { signer.fill_event(data, reader) } else { Cow::Borrowed(data) }
    }
}

/// The name of an event from another node, if this version knows it.
fn known_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventName, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name == NEW_MESSAGE {
        return Ok(NEW_MESSAGE);
    }
    EventKind::deserialize(name.as_str().into_deserializer()).map(EventKind::as_str)
}
