//! Accounts and logins.

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
                    .table("users")
                    .col(pk_uuid("id"))
                    .col(string_len_uniq("email", 254))
                    .col(string_len_null("username", 32))
                    .col(string_len_null("username_key", 32).unique_key())
                    .col(text_null("password_hash"))
                    .col(string_len_null("full_name", 100))
                    .col(text_null("avatar_url"))
                    .col(boolean("is_active"))
                    .col(boolean("is_verified"))
                    .col(boolean("is_superuser"))
                    .col(boolean("is_bot"))
                    .col(big_integer("created_at"))
                    .col(big_integer_null("last_login"))
                    .col(big_integer_null("last_seen_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("sessions")
                    .col(pk_uuid("id"))
                    .col(uuid("user_id"))
                    .col(uuid("refresh_jti"))
                    .col(big_integer("created_at"))
                    .col(big_integer("expires_at"))
                    .col(big_integer_null("revoked_at"))
                    .foreign_key(ForeignKey::create().from("sessions", "user_id").to("users", "id"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(Index::create().name("sessions_by_user").table("sessions").col("user_id").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("sessions").to_owned()).await?;
        manager.drop_table(Table::drop().table("users").to_owned()).await
    }
}
