"""What every package of admin uses: tables, validation, the door to Temporal."""
