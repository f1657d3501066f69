package iscsi

// WithEnvironment fills credentials that the URL does not name from environment variables: first ISCSISPEC_CHAP_USERNAME,
// _PASSWORD, _TARGET_USERNAME and _TARGET_PASSWORD, then libiscsi's LIBISCSI_CHAP_ names with the same endings. lookup is
// os.Getenv or a stand-in; this package reads no environment by itself. As in libiscsi, a pair counts only when both
// halves are known, and mutual credentials count only beside the initiator's own. Of libiscsi's other variables those about TCP are
// TCPOptionsFromEnvironment's; LIBISCSI_DEBUG and LIBISCSI_CACHE_ALLOCATIONS have no meaning here.
func (u URL) WithEnvironment(lookup func(string) string) URL {
	either := func(ending string) string {
		if value := lookup("ISCSISPEC_CHAP_" + ending); value != "" {
			return value
		}
		return lookup("LIBISCSI_CHAP_" + ending)
	}
	if u.User == "" {
		u.User = either("USERNAME")
	}
	if u.Password == "" {
		u.Password = Secret(either("PASSWORD"))
	}
	if u.TargetUser == "" {
		u.TargetUser = either("TARGET_USERNAME")
	}
	if u.TargetPassword == "" {
		u.TargetPassword = Secret(either("TARGET_PASSWORD"))
	}
	if u.User == "" || u.Password == "" {
		u.User, u.Password, u.TargetUser, u.TargetPassword = "", "", "", ""
	}
	if u.TargetUser == "" || u.TargetPassword == "" {
		u.TargetUser, u.TargetPassword = "", ""
	}
	return u
}
