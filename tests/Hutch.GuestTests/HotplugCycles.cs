using System;
using System.Globalization;

namespace Hutch.GuestTests;

/// <summary>How often a test plugs in and pulls out: a few times, or as HUTCH_HOTPLUG_CYCLES says.</summary>
internal static class HotplugCycles
{
    internal static int Count { get; } = int.Parse(Environment.GetEnvironmentVariable("HUTCH_HOTPLUG_CYCLES") ?? "4", CultureInfo.InvariantCulture);
}
