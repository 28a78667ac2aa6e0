using System.Globalization;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>clock</c> with its timers.</summary>
internal static class ClockXml
{
    internal static DomainClock Read(XmlSource? source)
    {
        if (source is null) return new DomainClock();
        DomainClock clock = new()
        {
            Offset = source.Word("offset", ["utc", "localtime", "timezone", "variable", "absolute"]) ?? "utc",
            Adjustment = source.Attribute("adjustment"),
            Basis = source.Word("basis", ["utc", "localtime"]),
            TimeZone = source.Attribute("timezone"),
            Start = source.Unsigned("start"),
            Timers = [.. source.All("timer").Select(ReadTimer)],
        };
        if (clock.Adjustment is { } adjustment && adjustment != "reset" && !long.TryParse(adjustment, CultureInfo.InvariantCulture, out _)) throw XmlSource.Bad($"unknown clock adjustment '{adjustment}'. Expected 'reset' or an integer");
        source.Finish();
        return clock;
    }

    private static DomainTimer ReadTimer(XmlSource source)
    {
        DomainTimer timer = new()
        {
            Name = source.Word("name", ["platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer"]) ?? throw XmlSource.Bad("Missing required attribute 'name' in element 'timer'"),
            Present = source.YesNo("present"),
            TickPolicy = source.Word("tickpolicy", ["delay", "catchup", "merge", "discard"]),
            Track = source.Word("track", ["boot", "guest", "wall", "realtime"]),
            FrequencyHz = source.Unsigned("frequency"),
            Mode = source.Word("mode", ["auto", "native", "emulate", "paravirt", "smpsafe"]),
        };
        return timer with { Kept = source.Finish(ElementTable.Timer) };
    }

    internal static XElement Write(DomainClock clock) => new("clock", new XAttribute("offset", clock.Offset),
        XmlShape.Attribute("adjustment", clock.Adjustment), XmlShape.Attribute("basis", clock.Basis), XmlShape.Attribute("timezone", clock.TimeZone), XmlShape.Attribute("start", clock.Start),
        clock.Timers.Select(WriteTimer));

    private static XElement WriteTimer(DomainTimer timer) => ElementTable.Timer.Arrange(new XElement("timer", new XAttribute("name", timer.Name), XmlShape.YesNo("present", timer.Present),
        XmlShape.Attribute("tickpolicy", timer.TickPolicy), XmlShape.Attribute("track", timer.Track), XmlShape.Attribute("frequency", timer.FrequencyHz), XmlShape.Attribute("mode", timer.Mode)), timer.Kept);
}
