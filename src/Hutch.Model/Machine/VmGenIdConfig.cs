using System;

namespace Hutch.Model.Machine;

/// <summary>The device that tells a guest when it is a copy of itself: after a saved state was restored (Microsoft, Virtual Machine Generation ID).</summary>
/// <param name="Id">Device name.</param>
/// <param name="First">The identifier that the guest begins with; null: a random one. A restored guest always has a new one.</param>
public sealed record VmGenIdConfig(string Id, Guid? First = null) : DeviceConfig(Id);
