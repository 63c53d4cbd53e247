"""Workers as they tell of themselves: seen when, with what memory and disk."""
