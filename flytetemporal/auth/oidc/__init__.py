"""OpenID Connect: tokens of an external issuer, and logins in the browser."""
