//! What members put to a message: reactions, pins, mentions and replies.

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
            .alter_table(Table::alter().table("room_events").add_column(string_len_null("emoji", 64)).to_owned())
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("room_events_by_message")
                    .table("room_events")
                    .col("message_id")
                    .col("seq")
                    .and_where(Expr::col("message_id").is_not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("messages_by_reply_to")
                    .table("messages")
                    .col("reply_to_id")
                    .col("seq")
                    .and_where(Expr::col("reply_to_id").is_not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("reactions")
                    .col(uuid("message_id"))
                    .col(string_len("emoji", 64))
                    .col(uuid("user_id"))
                    .col(big_integer("created_at"))
                    .primary_key(Index::create().col("message_id").col("emoji").col("user_id"))
                    .foreign_key(ForeignKey::create().from("reactions", "message_id").to("messages", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("pins")
                    .col(pk_uuid("message_id"))
                    .col(uuid("room_id"))
                    .col(uuid("user_id"))
                    .col(big_integer("pinned_at"))
                    .foreign_key(ForeignKey::create().from("pins", "message_id").to("messages", "id"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(Index::create().name("pins_by_room").table("pins").col("room_id").to_owned()).await?;
        manager
            .create_table(
                Table::create()
                    .table("mentions")
                    .col(uuid("room_id"))
                    .col(uuid("user_id"))
                    .col(big_integer("seq"))
                    .col(uuid("message_id"))
                    .primary_key(Index::create().col("room_id").col("user_id").col("seq"))
                    .foreign_key(ForeignKey::create().from("mentions", "message_id").to("messages", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("mentions_by_message").table("mentions").col("message_id").to_owned())
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("mentions").to_owned()).await?;
        manager.drop_table(Table::drop().table("pins").to_owned()).await?;
        manager.drop_table(Table::drop().table("reactions").to_owned()).await?;
        manager.drop_index(Index::drop().name("messages_by_reply_to").table("messages").to_owned()).await?;
        manager.drop_index(Index::drop().name("room_events_by_message").table("room_events").to_owned()).await?;
        manager.alter_table(Table::alter().table("room_events").drop_column("emoji").to_owned()).await?;
        Ok(())
    }
}
