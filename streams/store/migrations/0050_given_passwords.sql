-- Whether somebody else gave an account its password: whoever signs in with it chooses another before anything else.
-- Nobody of before is asked.
alter table users add column password_given boolean not null default false;
