-- Dead letters that nobody replayed yet are counted every minute.
create index dead_letters_waiting on dead_letters (outcome) where replayed_at is null;
