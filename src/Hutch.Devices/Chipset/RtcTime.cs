using System;
using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>The clock registers of an MC146818 as numbers (Motorola MC146818A data sheet, table 3): conversion only.</summary>
internal struct RtcTime
{
    // Mutable struct: the RTC edits single fields of a copy. Don't make this readonly.

    /// <summary>Seconds, minutes and hours (24-hour).</summary>
    public int Second, Minute, Hour;

    /// <summary>Day of the week: 1 is Sunday.</summary>
    public int DayOfWeek;

    /// <summary>Day of the month, month, and the four-digit year.</summary>
    public int Day, Month, Year;

    /// <summary>Takes the fields of a moment.</summary>
    public static RtcTime From(DateTime time) => new()
    {
        Second = time.Second,
        Minute = time.Minute,
        Hour = time.Hour,
        DayOfWeek = (int)time.DayOfWeek + 1,
        Day = time.Day,
        Month = time.Month,
        Year = time.Year,
    };

    /// <summary>Saves or restores the fields.</summary>
    public static void Exchange(StateFields fields, ref RtcTime time)
    {
        fields.Value("second", ref time.Second, 0, 255);
        fields.Value("minute", ref time.Minute, 0, 255);
        fields.Value("hour", ref time.Hour, 0, 255);
        fields.Value("day-of-week", ref time.DayOfWeek, 0, 255);
        fields.Value("day", ref time.Day, 0, 255);
        fields.Value("month", ref time.Month, 0, 255);
        fields.Value("year", ref time.Year, 0, 99_999);
    }

    /// <summary>The moment these fields name; fields out of range are moved to the nearest that exists.</summary>
    public readonly DateTime ToDateTime()
    {
        // Far enough from both ends of the calendar that neither time passing nor a step of the host's clock can leave it.
        int year = Math.Clamp(Year, 100, 9000), month = Math.Clamp(Month, 1, 12);
        int day = Math.Clamp(Day, 1, DateTime.DaysInMonth(year, month));
        return new DateTime(year, month, day, Math.Clamp(Hour, 0, 23), Math.Clamp(Minute, 0, 59), Math.Clamp(Second, 0, 59), DateTimeKind.Utc);
    }

    /// <summary>Writes a number as register B's data mode says: binary, or two BCD digits.</summary>
    public static byte Encode(int value, bool binary) => (byte)(binary ? value : value / 10 % 10 << 4 | value % 10);

    /// <summary>Reads a number as register B's data mode says.</summary>
    public static int Decode(byte value, bool binary) => binary ? value : (value >> 4) * 10 + (value & 15);

    /// <summary>Writes an hour; in 12-hour mode 12, 1 to 11, and bit 7 for PM.</summary>
    public static byte EncodeHour(int hour, bool binary, bool hour24)
    {
        if (hour24) return Encode(hour, binary);
        int twelve = hour % 12 == 0 ? 12 : hour % 12;
        return (byte)(Encode(twelve, binary) | (hour >= 12 ? 0x80 : 0));
    }

    /// <summary>Reads an hour.</summary>
    public static int DecodeHour(byte value, bool binary, bool hour24)
    {
        if (hour24) return Decode(value, binary);
        return Decode((byte)(value & 0x7f), binary) % 12 + ((value & 0x80) != 0 ? 12 : 0);
    }
}
