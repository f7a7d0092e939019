//! What a client missed when it reconnects.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use super::{guest::Guest, socket_context::SocketContext};
use crate::{
    chat::{self, room::Subscription},
    contract::{
        ErrorCode, RoomId, Seq, Timestamp,
        event::{Ephemeral, ServerEvent, SocketEvent},
    },
    error::Result,
    fanout::sockets::Emission,
    limits::Budget,
};

impl SocketContext {
    /// How many missed events this connection may replay after these cursors, within its user's budget. Rooms beyond that are announced
    /// by `resync_required` instead.
    pub(super) async fn granted(&self, cursors: impl Iterator<Item = (Subscription, Seq)>) -> usize {
        let config = &self.app.config.realtime;
        let asked = cursors
            .map(|(subscription, after)| subscription.missed(subscription.after(after), config.replay_events))
            .sum();
        self.app.limits.take_up_to(Budget::Missed, self.actor.user_id, config.replay_total.min(asked)).await
    }

    /// Joins a room at the client's cursor; answers how many events were replayed.
    pub(super) async fn catch_up(
        &self,
        room: RoomId,
        subscription: Subscription,
        after: Seq,
        budget: usize,
    ) -> Result<usize> {
        match self.attach(room, Some(after), subscription, budget).await {
            Err(error) if error.code() == ErrorCode::ResyncRequired => {
                self.socket.send_reliably(&SocketEvent::ResyncRequired {
                    room_id: room,
                    after_seq: after,
                    last_seq: subscription.head,
                });
                self.attach(room, None, subscription, 0).await
            }
            other => other,
        }
    }

    /// Sends marks that moved and profiles that changed since the entries at these cursors were made. The rooms are joined.
    pub(super) async fn send_missed(
        &self,
        cursors: &HashMap<RoomId, Seq>,
        times: &HashMap<RoomId, Timestamp>,
        until: Option<Instant>,
    ) -> Result<()> {
        let user = self.actor.user_id;
        for mark in chat::catch_up::moved_marks(&self.app.chat, user, cursors, times).await? {
            let read = Ephemeral::MessagesRead {
                room_id: mark.room_id,
                user_id: mark.user_id,
                message_ids: mark.message_ids,
                last_read_seq: mark.last_read_seq,
                read_at: mark.read_at,
            };
            if !self.catches_up_with(&read, until).await {
                return Ok(());
            }
        }
        for (_, user) in chat::catch_up::profiles(&self.app.chat, user, times).await? {
            if !self.catches_up_with(&Ephemeral::UserUpdated { user: user.into() }, until).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends what was missed as fast as the client reads it. Answers false when the socket is gone, or was cut because it read nothing: it
    /// reconnects with the same cursors and misses nothing.
    async fn catches_up_with(&self, missed: &impl ServerEvent, until: Option<Instant>) -> bool {
        self.socket.keeps_up(until).await;
        self.socket.send_reliably(missed) == Emission::Queued
    }

    /// Shows those of some rooms that the user joined since the client was last known to be connected: since the latest of the
    /// times of its cursors. Answers which those are.
    pub(super) async fn show_new_rooms(
        &self,
        guest: &Guest,
        rooms: &[(RoomId, Subscription)],
        times: &HashMap<RoomId, Timestamp>,
    ) -> Result<HashSet<RoomId>> {
        let (chat, user) = (&self.app.chat, self.actor.user_id);
        let joined = chat::catch_up::joined_since(chat, user, times.values().max().copied()).await?;
        // What they came into since they were let in is shown as it is to everybody who comes into a room.
        let is_new = |room: &RoomId| joined.contains(room) && guest.rooms.contains_key(room);
        let new: Vec<RoomId> = rooms.iter().map(|(room, _)| *room).filter(is_new).collect();
        for room in chat::room::overviews(chat, user, &new).await? {
            if !self.catches_up_with(&SocketEvent::RoomCreated { room: Box::new(room) }, None).await {
                break;
            }
        }
        Ok(new.into_iter().collect())
    }
}
