// The shapes of the API that the pages read. Optional members are those a list may leave out.
export interface User {
  id: string;
  email: string;
  name: string;
  roles: string[];
  /** Only of /v1/me. */
  totp_enabled?: boolean;
  /** Only of /v1/me: this session has a fan's rights until the account has a second factor. */
  totp_required?: boolean;
}

/** What a log-in brings besides the password, where the account has a second factor. */
export type Proof = { code: string } | { recovery_code: string };

export interface Totp {
  state: "off" | "pending" | "on";
  required: boolean;
  recovery_codes_left: number;
}

export interface TotpCreated {
  secret: string;
  otpauth_url: string;
  qr_svg: string;
}

export interface List<T> {
  data: T[];
  next_cursor: string | null;
}

export interface VenueRef {
  id: string;
  name: string;
  city: string;
  country: string;
  lat?: number;
  lon?: number;
}

export interface EventView {
  id: string;
  name: string;
  description?: string;
  category: string;
  venue: VenueRef;
  starts_at: string;
  onsale_at: string;
  status: "draft" | "published" | "cancelled";
  currency: string;
  price_range: { min: number; max: number } | null;
  limits?: { per_booking: number; per_account: number };
  hold_ttl_s?: number;
  seatmap_version?: string;
  waiting_room?: "off" | "on" | "auto";
  refund_until_s?: number;
  buyer_chat?: boolean;
  availability?: { available: number; total: number };
  prices?: Record<string, number>;
}

export interface SeatmapJson {
  version?: string;
  size?: { width: number; height: number };
  categories: { name: string; color: string; price?: number | null }[];
  sections: {
    id: string;
    name: string;
    rows: {
      label: string;
      seats: { id: string; label: string; x: number; y: number; category: string }[];
    }[];
  }[];
  areas: AreaJson[];
}

export interface AreaJson {
  id: string;
  name: string;
  section?: string;
  category: string;
  capacity: number;
  price?: number | null;
  /** Without a shape the area is sold but not drawn. */
  x?: number;
  y?: number;
  width?: number;
  height?: number;
}

export interface Availability {
  version: number;
  sections: { id: string; available: number; total: number }[];
  areas: { id: string; available: number; total: number }[];
}

export type BookingStatus =
  | "held"
  | "payment_pending"
  | "confirmed"
  | "expired"
  | "cancelled"
  | "failed"
  | "refund_pending"
  | "refunded"
  | "partially_refunded";

export interface BookedSeat {
  id: string;
  label: string;
  section: string;
  row: string;
  number: string;
  category: string;
  price: number;
}

export interface BookedArea {
  area_id: string;
  name: string;
  quantity: number;
  category?: string;
  price: number;
}

export interface Payment {
  id: string;
  status: string;
  url: string | null;
}

export interface Booking {
  id: string;
  event_id: string;
  status: BookingStatus;
  seats: BookedSeat[];
  areas?: BookedArea[];
  amount: number;
  currency: string;
  expires_at: string;
  created_at?: string;
  payment: Payment | null;
  refunded_amount?: number;
  event?: { id: string; name: string; starts_at: string; venue?: Omit<VenueRef, "id"> };
}

export interface Ticket {
  id: string;
  seat: { label: string; section: string; row: string; number: string } | null;
  area: { name: string } | null;
  code: string;
  status: string;
}

export interface Venue {
  id: string;
  name: string;
  city: string;
  country: string;
  lat: number;
  lon: number;
  seat_count?: number;
  categories?: { name: string; color: string; seat_count?: number }[];
}

export interface Report {
  held: number;
  booked: number;
  blocked: number;
  available: number;
  revenue: number;
  currency?: string;
  refunded?: number;
  by_category: {
    category: string;
    booked: number;
    held: number;
    blocked: number;
    available: number;
    revenue: number;
  }[];
  by_hour: { hour: string; bookings: number; places: number; revenue: number }[];
}
