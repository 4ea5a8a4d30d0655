"""Problems of specs, in the forms that people and programs read."""
