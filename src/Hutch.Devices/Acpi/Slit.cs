using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>The system locality information table (ACPI 6.5 §5.2.17): how far each node is from each.</summary>
internal static class Slit
{
    private const byte ToItself = 10, ToAnother = 20;

    /// <summary>Builds the table. A distance that nobody gave is that of the way back, or 20.</summary>
    internal static byte[] Build(AcpiOptions options)
    {
        int count = options.NumaNodes.Length;
        byte[] distances = new byte[count * count];
        for (int from = 0; from < count; from++)
            for (int to = 0; to < count; to++) distances[(from * count) + to] = from == to ? ToItself : ToAnother;
        foreach (NumaDistance one in options.NumaDistances) distances[(one.To * count) + one.From] = (byte)one.Value;
        foreach (NumaDistance one in options.NumaDistances) distances[(one.From * count) + one.To] = (byte)one.Value;
        return new AcpiTable("SLIT", 1).UInt64((ulong)count).Bytes(distances).Finish();
    }
}
