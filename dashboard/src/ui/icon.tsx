// Icons of the `lucide` set (ISC): only those named here are in the bundle. Emoji would be empty boxes where no emoji font is installed.
import { h } from 'preact';
import {
  Activity,
  Ban,
  Bell,
  BookOpen,
  Check,
  ChevronDown,
  ChevronLeft,
  ChevronRight,
  CircleAlert,
  CircleHelp,
  Clock,
  Copy,
  Download,
  Ellipsis,
  Eye,
  EyeOff,
  Info,
  Key,
  KeyRound,
  Link2Off,
  LogOut,
  Minus,
  Moon,
  OctagonX,
  Pencil,
  Play,
  Plug,
  Plus,
  RefreshCw,
  ScrollText,
  Search,
  Settings,
  Sun,
  SunMoon,
  Trash2,
  TriangleAlert,
  Users,
  Webhook,
  X,
} from 'lucide';

const all = {
  activity: Activity,
  ban: Ban,
  bell: Bell,
  book: BookOpen,
  check: Check,
  down: ChevronDown,
  left: ChevronLeft,
  right: ChevronRight,
  alert: CircleAlert,
  help: CircleHelp,
  clock: Clock,
  copy: Copy,
  download: Download,
  more: Ellipsis,
  eye: Eye,
  'eye-off': EyeOff,
  info: Info,
  key: Key,
  'api-key': KeyRound,
  unlink: Link2Off,
  logout: LogOut,
  minus: Minus,
  moon: Moon,
  stop: OctagonX,
  edit: Pencil,
  play: Play,
  plug: Plug,
  plus: Plus,
  refresh: RefreshCw,
  audit: ScrollText,
  search: Search,
  settings: Settings,
  sun: Sun,
  system: SunMoon,
  bin: Trash2,
  warning: TriangleAlert,
  users: Users,
  webhook: Webhook,
  x: X,
};

export type IconName = keyof typeof all;

/** An icon; without a label it is decoration beside a word. */
export function Icon({ name, label }: { name: IconName; label?: string }) {
  const shapes = all[name].map(([tag, attributes], key) => h(tag, { ...attributes, key }));
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : 'true'}
    >
      {shapes}
    </svg>
  );
}
