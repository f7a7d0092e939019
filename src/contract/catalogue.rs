//! The names of all events that a client may emit: a closed list, so that each of them is handled and has a price.

macro_rules! client_events {
    ($($(#[doc = $doc:literal])+ $event:ident = $name:literal $(or $alias:literal)*),+ $(,)?) => {
        /// An event that a client may emit. Some have a second name, which older clients use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ClientEvent {
            $($(#[doc = $doc])+ $event,)+
        }

        impl ClientEvent {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$event,)+];

            /// The event that is emitted under a name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $alias)* => Some(Self::$event),)+
                    _ => None,
                }
            }

            /// Its name; the first one where it has two.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$event => $name,)+ }
            }
        }
    };
}

client_events! {
    /// Hear a room.
    JoinRoom = "join_room",
    /// Stop hearing a room.
    LeaveRoom = "leave_room",
    /// Say something.
    SendMessage = "send_message",
    /// Change the text of your own message.
    EditMessage = "edit_message" or "message_edited",
    /// Delete a message.
    DeleteMessage = "delete_message" or "message_deleted",
    /// Put an emoji under a message.
    AddReaction = "add_reaction",
    /// Take your emoji away.
    RemoveReaction = "remove_reaction",
    /// Tell a room that you are writing.
    Typing = "typing",
    /// Tell a room that you no longer are.
    StopTyping = "stop_typing",
    /// Mark a room as read.
    MarkAsRead = "mark_as_read",
    /// Ask for what was missed in many rooms.
    Sync = "sync",
    /// Ask who is there.
    GetPresence = "get_presence",
    /// Choose how to appear.
    SetStatus = "set_status",
    /// Renew the token of the socket.
    Authenticate = "authenticate",
    /// Hear whether the server answers.
    Ping = "ping",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_event() {
        for event in ClientEvent::ALL {
            assert_eq!(ClientEvent::named(event.name()), Some(*event));
        }
        assert_eq!(ClientEvent::named("message_edited"), Some(ClientEvent::EditMessage));
        assert_eq!(ClientEvent::named("disconnect"), None);
    }
}
