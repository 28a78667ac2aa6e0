using Hutch.Cpu;
using Hutch.Kvm;

namespace Hutch.Vmm.Engines;

/// <summary>What CPUs the engines give, as JSON: <c>hutch-vmm --cpu-offers</c>, for <c>hutch cpu</c>.</summary>
internal static class CpuOffers
{
    /// <summary>Prints an array of offers on one line of standard output; engines that do not work here are missing. Returns the exit status: 0.</summary>
    internal static int Print()
    {
        AnswerLine.Print(json =>
        {
            json.WriteStartArray();
            SoftHypervisor.OfferCpu().Write(json);
            try
            {
                using KvmHypervisor kvm = KvmHypervisor.Open();
                kvm.OfferCpu().Write(json);
            }
            catch (KvmUnavailableException)
            {
                // 'hutch doctor' says why.
            }
            json.WriteEndArray();
        });
        return 0;
    }
}
