/** Whether a device may report and be offered releases; as the contract's DeviceStanding. */
export type Standing = "accepted" | "pending" | "rejected" | "revoked";
