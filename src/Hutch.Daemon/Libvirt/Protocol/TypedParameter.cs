using Hutch.Daemon.Libvirt.Xdr;

namespace Hutch.Daemon.Libvirt.Protocol;

/// <summary>A named value that says its own type (virTypedParameter): int, uint, long, ulong, double, bool or string.</summary>
internal readonly record struct TypedParameter(string Field, object Value) : IXdr<TypedParameter>
{
    private const int Int = 1, UInt = 2, Long = 3, ULong = 4, Double = 5, Boolean = 6, String = 7;

    public static TypedParameter Read(ref XdrReader xdr)
    {
        string field = xdr.ReadString();
        int type = xdr.ReadInt32();
        object value = type switch
        {
            Int => xdr.ReadInt32(),
            UInt => xdr.ReadUInt32(),
            Long => xdr.ReadInt64(),
            ULong => xdr.ReadUInt64(),
            Double => xdr.ReadDouble(),
            Boolean => xdr.ReadInt32() != 0,
            String => xdr.ReadString(),
            _ => throw new XdrException($"The parameter '{field}' is of the type {type}, which there is not."),
        };
        return new TypedParameter(field, value);
    }

    public void Write(XdrWriter xdr)
    {
        xdr.WriteString(Field);
        switch (Value)
        {
            case int number:
                xdr.WriteInt32(Int);
                xdr.WriteInt32(number);
                break;
            case uint number:
                xdr.WriteInt32(UInt);
                xdr.WriteUInt32(number);
                break;
            case long number:
                xdr.WriteInt32(Long);
                xdr.WriteInt64(number);
                break;
            case ulong number:
                xdr.WriteInt32(ULong);
                xdr.WriteUInt64(number);
                break;
            case double number:
                xdr.WriteInt32(Double);
                xdr.WriteDouble(number);
                break;
            case bool flag:
                xdr.WriteInt32(Boolean);
                xdr.WriteInt32(flag ? 1 : 0);
                break;
            case string text:
                xdr.WriteInt32(String);
                xdr.WriteString(text);
                break;
            default:
                throw new System.InvalidOperationException($"The parameter '{Field}' has a value of {Value.GetType()}, which has no form on the wire.");
        }
    }
}
