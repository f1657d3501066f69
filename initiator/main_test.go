package initiator

import (
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }
