"""What Segloop is made of: a CycloneDX bill of materials from the locks, and the licences that are let in."""
