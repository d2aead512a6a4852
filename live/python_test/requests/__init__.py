"""Nothing: only tests of a running server use Requests, and there is none here."""
