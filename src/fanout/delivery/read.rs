//! `messages_read`: read marks, for those who may see them.

use super::{
    Delivery,
    coalesce::Coalesced,
    recent_marks::{Read, RecentMarks},
};
use crate::{
    chat::receipt::Moved,
    cluster::bus::Topic,
    contract::{RoomId, UserId, event::Ephemeral},
};

/// Marks that wait, by who receives them.
pub(super) struct Marks {
    others: Coalesced<(RoomId, UserId), Read>,
    own: Coalesced<(RoomId, UserId), Read>,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { others: Coalesced::new(), own: Coalesced::new() }
    }
}

/// How far everybody is known to have read: to the others in the room, and to their own sockets.
#[derive(Debug, Default)]
pub(super) struct AllRecentMarks {
    others: RecentMarks,
    own: RecentMarks,
}

impl Delivery {
    /// A mark moved; for the member or the others.
    pub(super) fn take_mark(&self, marks: &mut Marks, topic: &Topic, of: (RoomId, UserId), read: Read) {
        let (room, user) = of;
        let is_own = matches!(topic, Topic::User(_));
        let is_known = {
            let sent = self.pending.marks.lock();
            let sent = if is_own { &sent.own } else { &sent.others };
            // A notice and a read of the database may find the same advance.
            sent.stands_at(room, user, read.last_read_seq)
        };
        if is_known {
            return;
        }
        if is_own {
            self.note_activity_of(room, user);
            if let Some(read) = marks.own.offer(of, read, Read::merge) {
                self.send_own_read(room, user, read);
            }
        } else if let Some(read) = marks.others.offer(of, read, Read::merge) {
            self.send_others_read(room, user, read);
        }
    }

    /// Sends what had to wait.
    pub(super) fn send_due_marks(&self, marks: &mut Marks) {
        for ((room, user), read) in marks.others.due() {
            self.send_others_read(room, user, read);
        }
        for ((room, user), read) in marks.own.due() {
            self.send_own_read(room, user, read);
        }
    }

    /// The topics with sockets here that did not receive yet that a mark moved.
    pub(crate) fn topics_that_miss(&self, moved: &Moved) -> Vec<Topic> {
        let Moved { room_id: room, user_id: user, seq, is_shared, .. } = *moved;
        let sent = self.pending.marks.lock();
        let others = is_shared && !sent.others.is_at(room, user, seq) && !self.sockets.subscribers(room).is_empty();
        let own = !sent.own.is_at(room, user, seq) && !self.sockets.of_user(user).is_empty();
        [others.then_some(Topic::Room(room)), own.then_some(Topic::User(user))].into_iter().flatten().collect()
    }

    fn send_others_read(&self, room: RoomId, user: UserId, read: Read) {
        let read = self.pending.marks.lock().others.settle(room, user, read);
        self.sockets.emit(&Topic::Room(room), &messages_read(room, user, read));
    }

    /// Sends the mark to all sockets of the member, whether they have joined the room or not.
    fn send_own_read(&self, room: RoomId, user: UserId, read: Read) {
        let read = self.pending.marks.lock().own.settle(room, user, read);
        self.sockets.emit(&Topic::User(user), &messages_read(room, user, read));
    }
}

fn messages_read(room_id: RoomId, user_id: UserId, read: Read) -> Ephemeral {
    let Read { message_ids, last_read_seq, read_at } = read;
    Ephemeral::MessagesRead { room_id, user_id, message_ids, last_read_seq, read_at }
}
