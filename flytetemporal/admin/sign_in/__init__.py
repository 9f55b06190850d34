"""What our authorization server stores in Postgres, and the services that say how clients sign in."""
