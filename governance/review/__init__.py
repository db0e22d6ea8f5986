"""Changes and sign-offs: what is under review, and who has said what about exactly which bytes."""
