package httpapi

// hungUp says no where nobody can ask for the end behind what is unread.
func hungUp(uintptr) bool { return false }
