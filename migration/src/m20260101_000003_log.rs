//! The log of each room: messages, and every other durable change.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("messages")
                    .col(pk_uuid("id"))
                    .col(uuid("room_id"))
                    .col(big_integer("seq"))
                    .col(uuid("sender_id"))
                    .col(string_len("message_type", 32))
                    .col(text_null("content"))
                    .col(uuid_null("reply_to_id"))
                    .col(uuid_null("forwarded_from_id"))
                    .col(string_len_null("client_msg_id", 64))
                    .col(binary_null("request_hash"))
                    .col(big_integer("created_at"))
                    .col(big_integer_null("edited_at"))
                    .col(big_integer_null("deleted_at"))
                    .foreign_key(ForeignKey::create().from("messages", "room_id").to("rooms", "id"))
                    .foreign_key(ForeignKey::create().from("messages", "sender_id").to("users", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("messages_by_room_and_seq")
                    .table("messages")
                    .col("room_id")
                    .col("seq")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("messages_by_client_msg_id")
                    .table("messages")
                    .col("room_id")
                    .col("sender_id")
                    .col("client_msg_id")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("room_events")
                    .col(uuid("room_id"))
                    .col(big_integer("seq"))
                    .col(string_len("kind", 32))
                    .col(uuid("actor_id"))
                    .col(uuid_null("message_id"))
                    .col(uuid_null("user_id"))
                    .col(string_len_null("reason", 32))
                    .col(big_integer("created_at"))
                    .primary_key(Index::create().col("room_id").col("seq"))
                    .foreign_key(ForeignKey::create().from("room_events", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("room_events").to_owned()).await?;
        manager.drop_table(Table::drop().table("messages").to_owned()).await
    }
}
