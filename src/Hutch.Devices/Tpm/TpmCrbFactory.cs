using Hutch.Model.Machine;

namespace Hutch.Devices.Tpm;

/// <summary>Makes TPMs.</summary>
internal sealed class TpmCrbFactory : IDeviceFactory<TpmCrbConfig>
{
    /// <inheritdoc/>
    public IDevice Create(TpmCrbConfig config, MachineServices services)
    {
        if (services.Mmio.Find(TpmCrb.Address) is not null) throw new ConfigException($"The device '{config.Id}' is a second TPM, and a machine can have one; leave it out.");
        return new TpmCrb(config.Id, services, services.OpenTpm(config));
    }
}
