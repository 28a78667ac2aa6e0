using Hutch.Devices.Tpm;

namespace Hutch.Devices.Acpi;

/// <summary>The table of a TPM 2.0 (TCG ACPI Specification 1.2, table 7): where its control area is, that a CRB begins commands, and where firmware's log is.</summary>
internal static class Tpm2
{
    /// <summary>Offset of the log's address, which the firmware that allocates it fills in.</summary>
    internal const uint LogAddressOffset = 68;

    private const ushort ClientPlatform = 0;
    private const uint StartByCrb = 7;
    private const int ParameterBytes = 12;

    /// <summary>Builds the table. Without a log its length is 0, which says that there is none.</summary>
    internal static byte[] Build(AcpiOptions options) =>
        new AcpiTable("TPM2", 4).UInt16(ClientPlatform).UInt16(0).UInt64(TpmCrb.ControlArea).UInt32(StartByCrb).Zeroes(ParameterBytes).UInt32(options.TpmLogBytes).UInt64(0).Finish();
}
